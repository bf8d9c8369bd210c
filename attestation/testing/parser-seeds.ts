/** The parsers of evidence and endorsements, each with good input: what fuzzing starts from. */
import { CborError, decodeCbor, toBase64, utf8 } from "../../codec/index.ts";
import { parsePolicy } from "../appraise/policy.ts";
import { pem } from "../attest/der-write.ts";
import { AttestationError } from "../error.ts";
import { parseCoseSign1 } from "../parse/cose.ts";
import { parseCollateral, parseQeIdentity, parseTcbInfo } from "../parse/dcap-collateral.ts";
import { parseQuote } from "../parse/dcap.ts";
import { nitroDocumentBytes, parseNitroDocument } from "../parse/nitro.ts";
import { parseSnpEndorsements } from "../parse/sev-snp-endorsements.ts";
import { parseSnpReport } from "../parse/sev-snp.ts";
import { DerError, DerReader } from "../verify/der.ts";
import { parsePem } from "../verify/pem.ts";
import { parseCertificate, parseCrl, X509Error } from "../verify/x509.ts";
import { testCertificates } from "./appraise.ts";
import { TEST_KEY_USAGE, testCertificate, testCrl, testKey } from "./certificates.ts";
import { pckCertificate, QUOTE_KINDS, testCollateral, testPki, testQuote } from "./dcap.ts";
import { testNitroDocument } from "./nitro.ts";
import { testSnpEvidence } from "./sev-snp.ts";

export interface FuzzedParser {
  readonly name: string;
  readonly seeds: readonly Uint8Array[];
  parse(input: Uint8Array): unknown;
  /** What it may throw. */
  readonly errors: readonly (abstract new (...args: never[]) => Error)[];
}

/** Bytes as text, what is not UTF-8 replaced. */
export function looseText(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** JSON where it is any, else the text itself, so that a parser of parsed JSON meets both. */
export function looseJson(bytes: Uint8Array): unknown {
  const text = looseText(bytes);
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Every DER value within, as far as they are well formed. */
function walkDer(bytes: Uint8Array): void {
  const pending = [new DerReader(bytes)];
  for (let reader = pending.pop(); reader !== undefined; reader = pending.pop()) {
    while (!reader.done) {
      const value = reader.any();
      if ((value.tag & 0x20) !== 0) pending.push(reader.inside(value));
    }
  }
}

function binaryParsers(): FuzzedParser[] {
  const key = testKey("fuzz", "p384");
  const certificates = [
    testCertificate({ subject: key, issuer: key, authority: 1, keyUsage: TEST_KEY_USAGE.authority }),
    pckCertificate(testPki()),
    ...testSnpEvidence({ product: "Turin" }).certificates,
  ];
  const crl = testCrl({ issuer: key, revokedSerials: [1, 2, 300] });
  const document = testNitroDocument();
  const reports = ([2, 3, 5] as const).map((version) => testSnpEvidence({ version }).report);
  const pems = utf8(certificates.map((der) => pem("CERTIFICATE", der)).join(""));
  const attestation = [AttestationError];
  return [
    { name: "cbor", seeds: [document], parse: (input) => decodeCbor(input), errors: [CborError] },
    { name: "cose", seeds: [document], parse: parseCoseSign1, errors: [CborError, AttestationError] },
    { name: "der", seeds: [...certificates, crl], parse: walkDer, errors: [DerError] },
    { name: "certificate", seeds: certificates, parse: parseCertificate, errors: [X509Error] },
    { name: "crl", seeds: [crl], parse: parseCrl, errors: [X509Error] },
    { name: "pem", seeds: [pems], parse: (input) => parsePem(looseText(input)), errors: [DerError] },
    {
      name: "quote",
      seeds: QUOTE_KINDS.map((kind) => testQuote(kind)),
      parse: parseQuote,
      errors: attestation,
    },
    { name: "sev-snp", seeds: reports, parse: parseSnpReport, errors: attestation },
    { name: "nitro", seeds: [document], parse: parseNitroDocument, errors: attestation },
    {
      name: "nitro in a certificate",
      seeds: [document, pems, ...certificates],
      parse: nitroDocumentBytes,
      errors: attestation,
    },
  ];
}

function json(value: unknown): Uint8Array {
  return utf8(JSON.stringify(value));
}

function jsonParsers(): FuzzedParser[] {
  const collateral = testCollateral("tdx4");
  const endorsements = testCertificates(...testSnpEvidence().certificates);
  const policy = {
    formatVersion: 1,
    roots: ["hardware", { certificate: toBase64(new Uint8Array(64)) }],
    tcb: { graceDays: 3, minimumTcbDate: "2026-01-01T00:00:00Z", acceptedStatuses: ["UpToDate"] },
    tdx: { measurements: [], acceptedAttributeBits: [29] },
  };
  const errors = [AttestationError];
  return [
    {
      name: "collateral",
      seeds: [json(collateral)],
      parse: (input) => parseCollateral(looseJson(input)),
      errors,
    },
    {
      name: "tcb info",
      seeds: [utf8(collateral.tcb_info), utf8(testCollateral("sgx3").tcb_info)],
      parse: (input) => parseTcbInfo(looseText(input)),
      errors,
    },
    {
      name: "qe identity",
      seeds: [utf8(collateral.qe_identity)],
      parse: (input) => parseQeIdentity(looseText(input)),
      errors,
    },
    {
      name: "sev-snp endorsements",
      seeds: [json(endorsements)],
      parse: (input) => parseSnpEndorsements(looseJson(input)),
      errors,
    },
    { name: "policy", seeds: [json(policy)], parse: (input) => parsePolicy(looseJson(input)), errors },
  ];
}

export function attestationParsers(): FuzzedParser[] {
  return [...binaryParsers(), ...jsonParsers()];
}
