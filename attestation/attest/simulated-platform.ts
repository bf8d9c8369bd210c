/**
 * The simulated platform: what its certificates, TCB info and QE identity say. The values are hashes of names where
 * Intel's would be measurements, and an FMSPC and a PCE id that Intel has not given out, so that no collateral of
 * Intel's ever fits a simulated quote or the other way round.
 */
import { concat, fromHex, sha256, sha384, toHex, utf8 } from "../../codec/index.ts";
import type { Json } from "../../codec/index.ts";
import { ENCLAVE_REPORT_FIELDS, TD10_FIELDS } from "../parse/dcap-fields.ts";
import { pem } from "./der-write.ts";
import { certificate, crl, developmentKey, sgxExtension, sign } from "./simulated-pki.ts";
import type { SgxPlatform } from "./simulated-pki.ts";
import { encodeFields } from "./simulated-quote.ts";

const ROOT_KEY = developmentKey("Affidavit Simulated SGX Root CA");
const PLATFORM_CA_KEY = developmentKey("Affidavit Simulated PCK Platform CA");
export const PCK_KEY = developmentKey("Affidavit Simulated PCK Certificate");
const TCB_SIGNING_KEY = developmentKey("Affidavit Simulated TCB Signing");

const SIMULATED_PLATFORM: SgxPlatform = {
  cpuSvn: new Uint8Array([3, 3, 2, 2, 4, 1, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0]),
  pceSvn: 13,
  pceId: fromHex("ffaf"),
  fmspc: fromHex("ffffaff1da17"),
};

const TEE_TCB_SVN = new Uint8Array([5, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
const QE_ISV_SVN = 4;
const QE_ISV_PROD_ID = 2;
const QE_MR_SIGNER = sha256(utf8("affidavit.simulated.qe.signer"));
const MODULE_SIGNER = sha384(utf8("affidavit.simulated.tdx.module.signer"));
const SVN_DATE = "2025-01-01T00:00:00Z";

export interface SimulatedChains {
  readonly root: Uint8Array;
  readonly pckChainPem: string;
  readonly pckCrlChainPem: string;
  readonly tcbSigningChainPem: string;
}

function chain(...certificates: Uint8Array[]): string {
  return certificates.map((bytes) => pem("CERTIFICATE", bytes)).join("");
}

/** The certificates; the same bytes at each call. */
export function simulatedChains(): SimulatedChains {
  const root = certificate({ subject: ROOT_KEY, issuer: ROOT_KEY, authorityPathLength: 1 });
  const platformCa = certificate({ subject: PLATFORM_CA_KEY, issuer: ROOT_KEY, authorityPathLength: 0 });
  const pck = certificate({
    subject: PCK_KEY,
    issuer: PLATFORM_CA_KEY,
    extensions: [sgxExtension(SIMULATED_PLATFORM)],
  });
  const tcbSigning = certificate({ subject: TCB_SIGNING_KEY, issuer: ROOT_KEY });
  return {
    root,
    pckChainPem: chain(pck, platformCa, root),
    pckCrlChainPem: chain(platformCa, root),
    tcbSigningChainPem: chain(tcbSigning, root),
  };
}

/** An encoded QE report of the simulated quoting enclave. */
export function simulatedQeReport(reportData: Uint8Array): Uint8Array {
  return encodeFields(ENCLAVE_REPORT_FIELDS, {
    cpuSvn: SIMULATED_PLATFORM.cpuSvn,
    attributes: fromHex("1100000000000000e700000000000000"),
    mrEnclave: sha256(utf8("affidavit.simulated.qe")),
    mrSigner: QE_MR_SIGNER,
    isvProdId: QE_ISV_PROD_ID,
    isvSvn: QE_ISV_SVN,
    reportData,
  });
}

/** The fields of the simulated TD's report, its report data aside. */
const SIMULATED_TD = {
  teeTcbSvn: TEE_TCB_SVN,
  mrSeam: sha384(utf8("affidavit.simulated.tdx.module")),
  mrSignerSeam: MODULE_SIGNER,
  // SEPT_VE_DISABLE alone.
  tdAttributes: fromHex("0000001000000000"),
  xfam: fromHex("e71a060000000000"),
  mrTd: sha384(utf8("affidavit.simulated.td")),
} as const;

/** An encoded TD 1.0 report of the simulated TD. @param rtmr3 48 bytes */
export function simulatedTdReport(
  reportData: Uint8Array,
  rtmr3: Uint8Array = new Uint8Array(48),
): Uint8Array {
  return encodeFields(TD10_FIELDS, { ...SIMULATED_TD, rtmr3, reportData });
}

function components(svns: Uint8Array): Json {
  return Array.from(svns, (svn) => ({ svn }));
}

/** TCB info, version 3, for the simulated platform, as the text that is signed. */
function simulatedTcbInfo(issueDate: string, nextUpdate: string): string {
  const identity = {
    mrsigner: toHex(MODULE_SIGNER).toUpperCase(),
    attributes: "0000000000000000",
    attributesMask: "FFFFFFFFFFFFFFFF",
  };
  const isvsvn = TEE_TCB_SVN[0]!;
  return JSON.stringify({
    id: "TDX",
    version: 3,
    issueDate,
    nextUpdate,
    fmspc: toHex(SIMULATED_PLATFORM.fmspc).toUpperCase(),
    pceId: toHex(SIMULATED_PLATFORM.pceId).toUpperCase(),
    tcbType: 0,
    tcbEvaluationDataNumber: 1,
    tdxModule: identity,
    tdxModuleIdentities: [
      {
        id: "TDX_01",
        ...identity,
        tcbLevels: [{ tcb: { isvsvn }, tcbDate: SVN_DATE, tcbStatus: "UpToDate" }],
      },
    ],
    tcbLevels: [
      {
        tcb: {
          sgxtcbcomponents: components(SIMULATED_PLATFORM.cpuSvn),
          pcesvn: SIMULATED_PLATFORM.pceSvn,
          tdxtcbcomponents: components(TEE_TCB_SVN),
        },
        tcbDate: SVN_DATE,
        tcbStatus: "UpToDate",
      },
    ],
  });
}

/** QE identity, version 2, of the simulated quoting enclave, as the text that is signed. */
function simulatedQeIdentity(issueDate: string, nextUpdate: string): string {
  return JSON.stringify({
    id: "TD_QE",
    version: 2,
    issueDate,
    nextUpdate,
    tcbEvaluationDataNumber: 1,
    miscselect: "00000000",
    miscselectMask: "FFFFFFFF",
    attributes: "11000000000000000000000000000000",
    attributesMask: "FBFFFFFFFFFFFFFF0000000000000000",
    mrsigner: toHex(QE_MR_SIGNER).toUpperCase(),
    isvprodid: QE_ISV_PROD_ID,
    tcbLevels: [{ tcb: { isvsvn: QE_ISV_SVN }, tcbDate: SVN_DATE, tcbStatus: "UpToDate" }],
  });
}

const DAY_MS = 86_400_000;
const COLLATERAL_DAYS = 30;

function isoSeconds(date: Date): string {
  return date.toISOString().slice(0, 19) + "Z";
}

/**
 * Collateral of the form of `QuoteCollateralV3`, valid from the start of the day before `now` for 30 days: verifiers
 * whose clocks differ accept it, and it is the same, byte for byte, within a day.
 */
export function simulatedCollateral(now: Date): Record<string, string> {
  const issued = new Date(Math.floor(now.getTime() / DAY_MS - 1) * DAY_MS);
  const expires = new Date(issued.getTime() + COLLATERAL_DAYS * DAY_MS);
  const chains = simulatedChains();
  const tcbInfo = simulatedTcbInfo(isoSeconds(issued), isoSeconds(expires));
  const qeIdentity = simulatedQeIdentity(isoSeconds(issued), isoSeconds(expires));
  const dates = { thisUpdate: issued, nextUpdate: expires };
  return {
    pck_crl_issuer_chain: chains.pckCrlChainPem,
    root_ca_crl: toHex(crl({ issuer: ROOT_KEY, ...dates })),
    pck_crl: toHex(crl({ issuer: PLATFORM_CA_KEY, ...dates })),
    tcb_info_issuer_chain: chains.tcbSigningChainPem,
    tcb_info: tcbInfo,
    tcb_info_signature: toHex(sign(TCB_SIGNING_KEY, utf8(tcbInfo))),
    qe_identity_issuer_chain: chains.tcbSigningChainPem,
    qe_identity: qeIdentity,
    qe_identity_signature: toHex(sign(TCB_SIGNING_KEY, utf8(qeIdentity))),
  };
}

/** The PCK chain as a quote carries it: PEM with a zero byte at its end. */
export function simulatedCertification(): Uint8Array {
  return concat(utf8(simulatedChains().pckChainPem), new Uint8Array(1));
}
