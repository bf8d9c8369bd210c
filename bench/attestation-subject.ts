/** What the attestation bench verifies: a real TDX quote where there is one, else a generated one. */
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { INTEL_SGX_ROOT, parsePolicy, REPORTING_POLICY, type AppraisalPolicy } from "../attestation/index.ts";
import {
  rootCertificate,
  testCollateral,
  testPki,
  testQuote,
  TEST_NOW,
} from "../attestation/testing/dcap.ts";
import { VECTORS_FOLDER } from "../attestation/testing/vectors.ts";
import { toBase64 } from "../codec/index.ts";

const REAL_CASE = join(VECTORS_FOLDER, "dcap", "tdx4-phala-2025-07");

export interface Subject {
  readonly name: string;
  /** Paths, for who reads for themselves. */
  readonly quotePath: string;
  readonly collateralPath: string;
  readonly quote: Uint8Array;
  readonly collateral: Record<string, string>;
  /** DER. */
  readonly root: Uint8Array;
  readonly policy: AppraisalPolicy;
  readonly nowSeconds: number;
}

export function subject(): Subject {
  return existsSync(REAL_CASE) ? realSubject() : generatedSubject();
}

function realSubject(): Subject {
  const { now } = JSON.parse(readFileSync(join(REAL_CASE, "expect.json"), "utf8")) as { now: number };
  return {
    name: "a real TDX quote",
    ...files(REAL_CASE),
    root: INTEL_SGX_ROOT.certificate.der,
    policy: REPORTING_POLICY,
    nowSeconds: now,
  };
}

function generatedSubject(): Subject {
  const directory = mkdtempSync(join(tmpdir(), "affidavit-bench-"));
  writeFileSync(join(directory, "quote.bin"), testQuote("tdx4"));
  writeFileSync(join(directory, "collateral.json"), JSON.stringify(testCollateral("tdx4")));
  const root = rootCertificate(testPki());
  return {
    name: "a generated TDX quote",
    ...files(directory),
    root,
    policy: parsePolicy({
      formatVersion: 1,
      codeIdentity: "reported",
      roots: [{ certificate: toBase64(root) }],
    }),
    nowSeconds: TEST_NOW.getTime() / 1000,
  };
}

function files(directory: string) {
  const quotePath = join(directory, "quote.bin");
  const collateralPath = join(directory, "collateral.json");
  return {
    quotePath,
    collateralPath,
    quote: new Uint8Array(readFileSync(quotePath)),
    collateral: JSON.parse(readFileSync(collateralPath, "utf8")) as Record<string, string>,
  };
}
