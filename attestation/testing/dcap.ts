/**
 * DCAP evidence under test roots: quotes of every format and collateral that fits, each part replaceable. Tests alone
 * use it; the keys are public.
 */
import { p256 } from "@noble/curves/nist.js";
import { concat, fromHex, toHex, utf8 } from "../../codec/index.ts";
import { pem } from "../attest/der-write.ts";
import { certificate, crl, developmentKey, sgxExtension, sign } from "../attest/simulated-pki.ts";
import type { DevelopmentKey, SgxPlatform } from "../attest/simulated-pki.ts";
import { buildQuote, encodeFields, qeReportData, type FieldValues } from "../attest/simulated-quote.ts";
import * as layout from "../parse/dcap-fields.ts";
import type { DcapCollateral } from "../parse/dcap-collateral.ts";

export type QuoteKind = "sgx3" | "tdx4" | "tdx5td10" | "tdx5td15";
export const QUOTE_KINDS: readonly QuoteKind[] = ["sgx3", "tdx4", "tdx5td10", "tdx5td15"];

/** A time at which all test evidence is in date. */
export const TEST_NOW = new Date("2026-06-01T12:00:00Z");
const ISSUED = new Date("2026-05-20T00:00:00Z");
const RENEWED = new Date("2026-06-20T00:00:00Z");

export const TEST_PLATFORM: SgxPlatform = {
  cpuSvn: new Uint8Array(16).fill(4),
  pceSvn: 11,
  pceId: fromHex("eeee"),
  fmspc: fromHex("eeeeeeeeeeee"),
};
const TEST_TEE_TCB_SVN = new Uint8Array([3, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
const QE_SIGNER = new Uint8Array(32).fill(0x51);
const MODULE_SIGNER = new Uint8Array(48).fill(0x52);

export interface TestPki {
  readonly root: DevelopmentKey;
  readonly platformCa: DevelopmentKey;
  readonly pck: DevelopmentKey;
  readonly tcbSigning: DevelopmentKey;
  readonly attestation: DevelopmentKey;
}

/** Keys of one test hierarchy; another name gives another hierarchy. */
export function testPki(name = "one"): TestPki {
  return {
    root: developmentKey(`Test ${name} root`),
    platformCa: developmentKey(`Test ${name} platform CA`),
    pck: developmentKey(`Test ${name} PCK`),
    tcbSigning: developmentKey(`Test ${name} TCB signing`),
    attestation: developmentKey(`Test ${name} attestation key`),
  };
}

export function rootCertificate(pki: TestPki): Uint8Array {
  return certificate({ subject: pki.root, issuer: pki.root, authorityPathLength: 1 });
}

function chainPem(...certificates: Uint8Array[]): string {
  return certificates.map((der) => pem("CERTIFICATE", der)).join("");
}

export function platformCaCertificate(pki: TestPki): Uint8Array {
  return certificate({ subject: pki.platformCa, issuer: pki.root, authorityPathLength: 0 });
}

export function pckCertificate(pki: TestPki, platform: SgxPlatform = TEST_PLATFORM): Uint8Array {
  return certificate({ subject: pki.pck, issuer: pki.platformCa, extensions: [sgxExtension(platform)] });
}

/** PCK, platform CA, root. */
export function pckChainPem(pki: TestPki, platform?: SgxPlatform): string {
  return chainPem(pckCertificate(pki, platform), platformCaCertificate(pki), rootCertificate(pki));
}

export interface QuoteOptions {
  readonly pki?: TestPki;
  readonly header?: FieldValues;
  readonly body?: FieldValues;
  readonly qeReport?: FieldValues;
  readonly qeAuthData?: Uint8Array;
  readonly certificationType?: number;
  readonly certification?: Uint8Array;
  readonly reportData?: Uint8Array;
}

const SGX_BODY: FieldValues = {
  cpuSvn: TEST_PLATFORM.cpuSvn,
  mrEnclave: new Uint8Array(32).fill(0x61),
  mrSigner: new Uint8Array(32).fill(0x62),
  isvProdId: 7,
  isvSvn: 3,
};

const TD_BODY: FieldValues = {
  teeTcbSvn: TEST_TEE_TCB_SVN,
  mrSeam: new Uint8Array(48).fill(0x71),
  mrSignerSeam: MODULE_SIGNER,
  tdAttributes: fromHex("0000001000000000"),
  mrTd: new Uint8Array(48).fill(0x72),
  rtmr0: new Uint8Array(48).fill(0x73),
  rtmr1: new Uint8Array(48).fill(0x74),
  rtmr2: new Uint8Array(48).fill(0x75),
};

function encodeBody(kind: QuoteKind, values: FieldValues): Uint8Array {
  if (kind === "sgx3") return encodeFields(layout.ENCLAVE_REPORT_FIELDS, { ...SGX_BODY, ...values });
  const td = { ...TD_BODY, ...values };
  if (kind !== "tdx5td15") return encodeFields(layout.TD10_FIELDS, td);
  return encodeFields(layout.TD15_FIELDS, { teeTcbSvn2: td["teeTcbSvn"]!, ...td });
}

/** A signed quote; the same bytes for the same options. */
export function testQuote(kind: QuoteKind, options: QuoteOptions = {}): Uint8Array {
  const pki = options.pki ?? testPki();
  const attestationKey = pki.attestation.point.subarray(1);
  const qeAuthData = options.qeAuthData ?? new Uint8Array(32).fill(0x33);
  const qeReport = encodeFields(layout.ENCLAVE_REPORT_FIELDS, {
    attributes: fromHex("1100000000000000e700000000000000"),
    mrSigner: QE_SIGNER,
    isvProdId: 2,
    isvSvn: 5,
    reportData: qeReportData(attestationKey, qeAuthData),
    ...options.qeReport,
  });
  const body = encodeBody(kind, {
    reportData: options.reportData ?? new Uint8Array(64).fill(0xd0),
    ...options.body,
  });
  return buildQuote(
    {
      version: kind === "sgx3" ? 3 : kind === "tdx4" ? 4 : 5,
      teeType: kind === "sgx3" ? layout.TEE_SGX : layout.TEE_TDX,
      header: options.header ?? {},
      body,
    },
    {
      attestationKey,
      sign: (message) => sign(pki.attestation, message),
      qeReport,
      qeReportSignature: sign(pki.pck, qeReport),
      qeAuthData,
      certificationType: options.certificationType ?? layout.CERTIFICATION.pckChain,
      certification: options.certification ?? concat(utf8(pckChainPem(pki)), new Uint8Array(1)),
    },
  );
}

// oxlint-disable-next-line typescript/no-explicit-any -- tests bend these documents into every wrong form
export type Loose = any;

export interface CollateralOptions {
  readonly pki?: TestPki;
  /** Changes the TCB info before it is signed. */
  readonly tcbInfo?: (document: Loose) => void;
  readonly qeIdentity?: (document: Loose) => void;
  readonly crlDates?: { readonly thisUpdate: Date; readonly nextUpdate: Date };
  readonly rootRevokes?: readonly Uint8Array[];
  readonly platformRevokes?: readonly Uint8Array[];
}

function svns(values: Uint8Array): { svn: number }[] {
  return Array.from(values, (svn) => ({ svn }));
}

const DATES = { issueDate: "2026-05-20T00:00:00Z", nextUpdate: "2026-06-20T00:00:00Z" };
const LEVEL = { tcbDate: "2026-01-01T00:00:00Z", tcbStatus: "UpToDate" };

function tcbInfoDocument(isTdx: boolean): Loose {
  const module = {
    mrsigner: toHex(MODULE_SIGNER),
    attributes: "0000000000000000",
    attributesMask: "FFFFFFFFFFFFFFFF",
  };
  const tdx = {
    tdxModule: module,
    tdxModuleIdentities: [{ id: "TDX_01", ...module, tcbLevels: [{ tcb: { isvsvn: 3 }, ...LEVEL }] }],
  };
  const tcb = { sgxtcbcomponents: svns(TEST_PLATFORM.cpuSvn), pcesvn: TEST_PLATFORM.pceSvn };
  return {
    id: isTdx ? "TDX" : "SGX",
    version: 3,
    ...DATES,
    fmspc: toHex(TEST_PLATFORM.fmspc),
    pceId: toHex(TEST_PLATFORM.pceId),
    tcbType: 0,
    tcbEvaluationDataNumber: 17,
    ...(isTdx ? tdx : {}),
    tcbLevels: [{ tcb: isTdx ? { ...tcb, tdxtcbcomponents: svns(TEST_TEE_TCB_SVN) } : tcb, ...LEVEL }],
  };
}

function qeIdentityDocument(isTdx: boolean): Loose {
  return {
    id: isTdx ? "TD_QE" : "QE",
    version: 2,
    ...DATES,
    tcbEvaluationDataNumber: 17,
    miscselect: "00000000",
    miscselectMask: "FFFFFFFF",
    attributes: "11000000000000000000000000000000",
    attributesMask: "FBFFFFFFFFFFFFFF0000000000000000",
    mrsigner: toHex(QE_SIGNER),
    isvprodid: 2,
    tcbLevels: [{ tcb: { isvsvn: 5 }, ...LEVEL }],
  };
}

/** Collateral that fits `testQuote(kind)` of the same hierarchy. */
export function testCollateral(kind: QuoteKind, options: CollateralOptions = {}): DcapCollateral {
  const pki = options.pki ?? testPki();
  const isTdx = kind !== "sgx3";
  const tcbInfo = tcbInfoDocument(isTdx);
  options.tcbInfo?.(tcbInfo);
  const qeIdentity = qeIdentityDocument(isTdx);
  options.qeIdentity?.(qeIdentity);
  const root = rootCertificate(pki);
  const tcbChain = chainPem(certificate({ subject: pki.tcbSigning, issuer: pki.root }), root);
  const dates = options.crlDates ?? { thisUpdate: ISSUED, nextUpdate: RENEWED };
  return {
    pck_crl_issuer_chain: chainPem(platformCaCertificate(pki), root),
    root_ca_crl: toHex(crl({ issuer: pki.root, ...dates, revokedSerials: options.rootRevokes ?? [] })),
    pck_crl: toHex(crl({ issuer: pki.platformCa, ...dates, revokedSerials: options.platformRevokes ?? [] })),
    tcb_info_issuer_chain: tcbChain,
    ...signDocument("tcb_info", JSON.stringify(tcbInfo), pki.tcbSigning),
    qe_identity_issuer_chain: tcbChain,
    ...signDocument("qe_identity", JSON.stringify(qeIdentity), pki.tcbSigning),
  };
}

/** A document's text and signature as collateral carries them. */
export function signDocument<Name extends "tcb_info" | "qe_identity">(
  name: Name,
  text: string,
  key: DevelopmentKey,
): Record<Name | `${Name}_signature`, string> {
  const signature = toHex(p256.sign(utf8(text), key.secretKey, { lowS: false }));
  return { [name]: text, [`${name}_signature`]: signature } as Record<Name | `${Name}_signature`, string>;
}

export interface PlacedField {
  /** Structure and field, as `header.version`. */
  readonly name: string;
  readonly offset: number;
  readonly byteLength: number;
}

/** Every field of a quote that `testQuote` made, in order, without gap or overlap. */
export function placedFields(kind: QuoteKind, quote: Uint8Array): readonly PlacedField[] {
  const fields: PlacedField[] = [];
  let at = 0;
  const place = (structure: string, table: readonly { name: string; byteLength: number }[]) => {
    for (const { name, byteLength } of table) {
      fields.push({ name: `${structure}.${name}`, offset: at, byteLength });
      at += byteLength;
    }
  };
  place("header", layout.HEADER_FIELDS);
  if (kind.startsWith("tdx5")) place("descriptor", layout.BODY_DESCRIPTOR_FIELDS);
  if (kind === "sgx3") place("enclave", layout.ENCLAVE_REPORT_FIELDS);
  else place("td", kind === "tdx5td15" ? layout.TD15_FIELDS : layout.TD10_FIELDS);
  place("signature", layout.SIGNATURE_FIELDS);
  if (kind !== "sgx3") place("wrapper", layout.CERTIFICATION_FIELDS);
  place("qeReport", layout.ENCLAVE_REPORT_FIELDS);
  place("qe", layout.QE_FIELDS.slice(1));
  place("qe", [{ name: "qeAuthData", byteLength: 32 }]);
  place("certification", layout.CERTIFICATION_FIELDS);
  place("certification", [{ name: "data", byteLength: quote.length - at }]);
  return fields;
}
