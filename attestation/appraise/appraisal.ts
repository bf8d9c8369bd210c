/** What an appraisal takes and gives, the same for every technology. */
import { equal } from "../../codec/index.ts";
import type { CollateralCache } from "../verify/dcap-collateral.ts";
import { AttestationError } from "../error.ts";
import type { Checks, Transcript } from "../transcript.ts";
import type { AppraisalPolicy } from "./policy.ts";

export type EvidenceType =
  | "tdx"
  | "sgx"
  | "sev-snp"
  | "nitro"
  | "dstack"
  | "azure-vtpm"
  | "nvidia-gpu"
  | "nvidia-switch";

export interface Evidence {
  readonly type: EvidenceType;
  /** The raw quote, report or document. */
  readonly quote: Uint8Array;
  /** TDX: the guest's event log, CCEL or JSON, to be replayed against RTMR0 to RTMR3. */
  readonly eventLog?: Uint8Array | undefined;
}

export interface AppraisalOptions {
  readonly now: Date;
  readonly policy: AppraisalPolicy;
  /** 64 bytes that the evidence must carry; unchecked, and said to be, where absent. */
  readonly expectedReportData?: Uint8Array | undefined;
  /** The verifier's own nonce, where evidence carries one beside its report data (NVIDIA: 32 bytes; TPM: up to 64). */
  readonly expectedNonce?: Uint8Array | undefined;
  /** Verified collateral of earlier appraisals, to be used again. */
  readonly cache?: CollateralCache | undefined;
}

export type CodeIdentity = "matched" | "unchecked";

export interface Appraisal {
  readonly verdict: "accepted" | "rejected";
  /** `ok`, or why the evidence was rejected. */
  readonly code: string;
  /** For people: the reason, empty where accepted. */
  readonly message: string;
  readonly tcbStatus?: string;
  readonly advisoryIds?: readonly string[];
  /** Whether the evidence leads to the project's own root, whose key is public. */
  readonly simulated: boolean;
  readonly codeIdentity: CodeIdentity;
  /** As far as signatures vouch for it; empty where they do not. */
  readonly reportData: Uint8Array;
  /** What the evidence says, by name, once its signatures hold; empty before. Byte strings are lower-case hex. */
  readonly claims: Readonly<Record<string, unknown>>;
  readonly transcript: Transcript;
}

/** What the appraiser of one technology fills in as it goes, so that a rejection still shows what held. */
export interface Findings {
  simulated: boolean;
  codeIdentity: CodeIdentity;
  reportData: Uint8Array;
  tcbStatus?: string;
  advisoryIds?: readonly string[];
  claims: Record<string, unknown>;
}

export interface AppraisalContext {
  readonly nowSeconds: number;
  readonly policy: AppraisalPolicy;
  readonly expectedReportData: Uint8Array | undefined;
  readonly expectedNonce: Uint8Array | undefined;
  readonly cache: CollateralCache | undefined;
  readonly checks: Checks;
  readonly findings: Findings;
}

/** One technology: throws a typed error where the evidence is rejected. */
export type Appraiser = (evidence: Evidence, endorsements: unknown, context: AppraisalContext) => void;

/** Report data against the expected one, in constant time. @throws AttestationError `report_data_mismatch` */
export function checkReportData(
  reportData: Uint8Array,
  { checks, expectedReportData }: AppraisalContext,
): void {
  if (expectedReportData === undefined) {
    checks.skip("report_data", "no report data was expected");
    return;
  }
  checks.run("report_data", "report data is the expected one", () => {
    if (!equal(reportData, expectedReportData)) {
      throw new AttestationError("report_data_mismatch", "report data is not the expected one");
    }
  });
}
