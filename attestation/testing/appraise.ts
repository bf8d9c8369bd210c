/** Appraisal of generated evidence under the root it was made for. */
import { toBase64, toHex } from "../../codec/index.ts";
import { appraise, parsePolicy, type Appraisal, type AppraisalPolicyInput } from "../index.ts";
import type { TestSnpEvidence } from "./sev-snp.ts";
import { TEST_NITRO_TIME, testNitroChain } from "./nitro.ts";

export interface TestAppraisalOptions {
  readonly policy?: Partial<AppraisalPolicyInput>;
  readonly endorsements?: unknown;
  readonly now?: Date;
  readonly expectedReportData?: Uint8Array;
}

function policyOf(root: Uint8Array, options: TestAppraisalOptions) {
  const roots = [{ certificate: toBase64(root) }];
  return parsePolicy({ formatVersion: 1, roots, codeIdentity: "reported", ...options.policy });
}

/** Certificates as endorsements list them. */
export function testCertificates(...ders: Uint8Array[]): { certificates: string[] } {
  return { certificates: ders.map(toBase64) };
}

export function appraiseTestSnp(evidence: TestSnpEvidence, options: TestAppraisalOptions = {}): Appraisal {
  const { now = new Date("2026-11-23T00:00:00Z"), expectedReportData } = options;
  const endorsements = options.endorsements ?? testCertificates(...evidence.certificates);
  const policy = policyOf(evidence.root, options);
  return appraise({ type: "sev-snp", quote: evidence.report }, endorsements, {
    now,
    policy,
    expectedReportData,
  });
}

export function appraiseTestNitro(document: Uint8Array, options: TestAppraisalOptions = {}): Appraisal {
  const { now = TEST_NITRO_TIME, expectedReportData } = options;
  const policy = policyOf(testNitroChain().cabundle[0]!, options);
  return appraise({ type: "nitro", quote: document }, null, { now, policy, expectedReportData });
}

export function stepOf(result: Appraisal, name: string) {
  return result.transcript.find(({ step }) => step === name);
}

/** Hex of one byte repeated. */
export function repeatedHex(byte: number, byteLength: number): string {
  return toHex(new Uint8Array(byteLength).fill(byte));
}

/** How long a call takes at best of three, in milliseconds: a busy machine delays one, not all. */
export function fastestMs(call: () => void, limitMs: number): number {
  let fastest = Infinity;
  for (let attempt = 0; attempt < 3 && fastest > limitMs; attempt++) {
    const started = performance.now();
    call();
    fastest = Math.min(fastest, performance.now() - started);
  }
  return fastest;
}
