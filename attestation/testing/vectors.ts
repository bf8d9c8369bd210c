/** The real and generated evidence of a folder beside the project, as cases: files, time, expectation. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { EvidenceType } from "../index.ts";

export const VECTORS_FOLDER =
  process.env["AFFIDAVIT_VECTORS"] ?? join(import.meta.dirname, "../../../shared/vectors");

export interface VectorCase {
  readonly name: string;
  readonly type: EvidenceType;
  /** Paths. */
  readonly evidence: string;
  readonly collateral?: string;
  readonly certificates?: readonly string[];
  readonly root?: string;
  /** Unix seconds, or the document's own time. */
  readonly now: number | "document";
  readonly verdict: "accepted" | "rejected";
  readonly code?: string;
  readonly tcbStatus?: string;
  readonly advisoryIds?: readonly string[];
}

const SYNTHETIC_NOW = Date.parse("2026-11-23T12:00:00Z") / 1000;
const SNP_NOW = Date.parse("2026-11-23T00:00:00Z") / 1000;

function foldersWith(directory: string, file: string): string[] {
  if (!existsSync(directory)) return [];
  return readdirSync(directory).filter((name) => existsSync(join(directory, name, file)));
}

/** Whether the header names TDX; a quote too short to say so is tried as SGX. */
function typeOfQuote(path: string): EvidenceType {
  return readFileSync(path)[4] === 0x81 ? "tdx" : "sgx";
}

function realQuotes(): VectorCase[] {
  const directory = join(VECTORS_FOLDER, "dcap");
  return foldersWith(directory, "expect.json").map((name) => {
    const evidence = join(directory, name, "quote.bin");
    const expected = JSON.parse(readFileSync(join(directory, name, "expect.json"), "utf8"));
    const { now, verdict, tcbStatus, advisoryIds } = expected;
    return {
      name: `dcap/${name}`,
      type: typeOfQuote(evidence),
      evidence,
      collateral: join(directory, name, "collateral.json"),
      now,
      verdict,
      ...(verdict === "accepted" && { tcbStatus, advisoryIds }),
    };
  });
}

function generatedQuotes(): VectorCase[] {
  const directory = join(VECTORS_FOLDER, "dcap-synthetic");
  return foldersWith(directory, "expected.json").map((name) => {
    const evidence = join(directory, name, "quote.bin");
    const expected = JSON.parse(readFileSync(join(directory, name, "expected.json"), "utf8"));
    return {
      name: `dcap-synthetic/${name}`,
      type: typeOfQuote(evidence),
      evidence,
      collateral: join(directory, name, "collateral.json"),
      root: join(directory, "root_ca.der"),
      now: SYNTHETIC_NOW,
      verdict: expected.should_succeed ? "accepted" : "rejected",
      ...(expected.expected_status !== "" && { tcbStatus: expected.expected_status }),
    };
  });
}

/** Report, certificates in several orders and forms, code. */
const SNP_CASES: readonly [string, readonly string[], string][] = [
  ["coco-test-report.bin", ["coco-test-vcek.der"], "ok"],
  ["coco-test-report.bin", ["coco-test-vcek.der", "coco-milan_ask_ark_asvk.pem"], "ok"],
  ["coco-test-report.bin", ["google-milan.testcer", "coco-test-vcek.der"], "ok"],
  ["coco-test-report.bin", ["coco-genoa_ask_ark_asvk.pem", "coco-test-vcek.der"], "ok"],
  [
    "virtee-report_milan.hex",
    ["virtee-milan-ark.pem", "virtee-milan-ask.pem", "virtee-vcek_milan.der"],
    "ok",
  ],
  ["virtee-report_milan.hex", ["virtee-vcek_milan.der", "virtee-cert_chain_milan"], "ok"],
  ["ms-genoa_attestation_report.bin", ["ms-genoa_vcek.pem"], "ok"],
  [
    "ms-genoa_attestation_report.bin",
    ["ms-genoa_vcek.pem", "ms-genoa_ask.pem", "virtee-genoa-ark.pem"],
    "ok",
  ],
  ["google-attestation.bin", ["google-vcek.testcer", "google-milan.testcer"], "debug_enabled"],
  ["coco-test-report.bin", ["coco-test-vcek-invalid-legacy.der"], "certificate_signature_invalid"],
  ["coco-test-report.bin", ["coco-test-vcek-invalid-new.der"], "certificate_signature_invalid"],
  ["coco-test-report.bin", ["virtee-vcek_milan.der"], "report_signature_invalid"],
  ["coco-test-report.bin", ["coco-milan_ask_ark_asvk.pem"], "endorsement_missing"],
  ["coco-test-report.bin", [], "endorsement_missing"],
];

function snpReports(): VectorCase[] {
  const directory = join(VECTORS_FOLDER, "snp");
  if (!existsSync(directory)) return [];
  return SNP_CASES.map(([report, certificates, code]) => ({
    name: `snp/${report} with ${certificates.join(", ") || "nothing"}`,
    type: "sev-snp",
    evidence: join(directory, report),
    certificates: certificates.map((name) => join(directory, name)),
    now: SNP_NOW,
    verdict: code === "ok" ? "accepted" : "rejected",
    code,
  }));
}

const NITRO_CASES: readonly [string, string][] = [
  ["evervault-beta-valid-attestation-doc-bytes", "ok"],
  ["evervault-beta-non-debug-cert-containing-attestation-document-18-1-23.pem", "ok"],
  ["evervault-beta-non-debug-cert-containing-attestation-document-18-1-23-der.crt", "ok"],
  ["evervault-beta-debug-mode-attestation-doc-bytes", "debug_enabled"],
  ["evervault-beta-debug-mode-cert-containing-attestation-doc-18-1-23.pem", "debug_enabled"],
  ["evervault-valid-attestation-doc-base64", "debug_enabled"],
  ["evervault-certificate.der", "document_malformed"],
  ["aws-nitro-root.pem", "document_malformed"],
];

function nitroDocuments(): VectorCase[] {
  const directory = join(VECTORS_FOLDER, "nitro");
  if (!existsSync(directory)) return [];
  return NITRO_CASES.map(([name, code]) => ({
    name: `nitro/${name}`,
    type: "nitro",
    evidence: join(directory, name),
    now: "document",
    verdict: code === "ok" ? "accepted" : "rejected",
    code,
  }));
}

/** Empty where the folder is not there. */
export function vectorCases(): readonly VectorCase[] {
  return [...realQuotes(), ...generatedQuotes(), ...snpReports(), ...nitroDocuments()];
}
