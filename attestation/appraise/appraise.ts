/** The entry point: evidence of any technology against a policy, with the record of every check. */
import { CodecError } from "../../codec/index.ts";
import { AttestationError } from "../error.ts";
import { Checks, type ClaimSource } from "../transcript.ts";
import { DerError } from "../verify/der.ts";
import { X509Error } from "../verify/x509.ts";
import type { Appraisal, AppraisalContext, AppraisalOptions, Appraiser } from "./appraisal.ts";
import type { Evidence, EvidenceType, Findings } from "./appraisal.ts";
import { appraiseDcap } from "./dcap.ts";
import { appraiseAzureVtpm } from "./azure-vtpm.ts";
import { appraiseDstack } from "./dstack.ts";
import { appraiseNitro } from "./nitro.ts";
import { appraiseNvidia } from "./nvidia.ts";
import { appraiseSnp } from "./sev-snp.ts";

const APPRAISERS: ReadonlyMap<EvidenceType, Appraiser> = new Map([
  ["tdx", appraiseDcap],
  ["sgx", appraiseDcap],
  ["sev-snp", appraiseSnp],
  ["nitro", appraiseNitro],
  ["dstack", appraiseDstack],
  ["azure-vtpm", appraiseAzureVtpm],
  ["nvidia-gpu", appraiseNvidia],
  ["nvidia-switch", appraiseNvidia],
]);

function codeOf(error: unknown): string {
  if (error instanceof AttestationError || error instanceof X509Error) return error.code;
  if (error instanceof DerError || error instanceof CodecError) return error.code;
  // Anything else is a fault of this code, and no verdict on the evidence.
  throw error;
}

/**
 * Appraises evidence at `now` under a policy. Hostile input never throws: it is rejected, with a code.
 * @throws RangeError where `now` is not a time
 */
export function appraise(evidence: Evidence, endorsements: unknown, options: AppraisalOptions): Appraisal {
  const nowSeconds = Math.floor(options.now.getTime() / 1000);
  if (!Number.isFinite(nowSeconds)) throw new RangeError("now is not a time");
  const checks = new Checks("verifier_derived");
  const findings: Findings = {
    simulated: false,
    codeIdentity: "unchecked",
    reportData: new Uint8Array(0),
    claims: {},
  };
  const { policy, expectedReportData, expectedNonce, cache } = options;
  const context: AppraisalContext = {
    nowSeconds,
    policy,
    expectedReportData,
    expectedNonce,
    cache,
    checks,
    findings,
  };
  let code = "ok";
  let message = "";
  try {
    const appraiser = APPRAISERS.get(evidence.type);
    if (appraiser === undefined) {
      throw new AttestationError("evidence_type_unknown", "evidence of this type is not known");
    }
    appraiser(evidence, endorsements, context);
  } catch (error) {
    code = codeOf(error);
    message = (error as Error).message;
    if (checks.steps.at(-1)?.status !== "fail") checks.note("evidence", "fail", message);
  }
  return {
    verdict: code === "ok" ? "accepted" : "rejected",
    code,
    message,
    ...findings,
    transcript: checks.steps.map((step) => ({ ...step, source: sourceOf(step.source, findings) })),
  };
}

/** Until the root is known every check is the verifier's own; what then rests on a simulated root says so. */
function sourceOf(source: ClaimSource, findings: Findings): ClaimSource {
  return findings.simulated ? "simulated" : source;
}
