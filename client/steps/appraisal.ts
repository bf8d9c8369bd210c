/** Evidence for a keyset: the machine's, its GPUs' where the keyset claims some, and the models measured into a register. */
import {
  appraise,
  appraiseComposite,
  parseQuote,
  type Appraisal,
  type Evidence,
} from "../../attestation/index.ts";
import { equal } from "../../codec/index.ts";
import { gpuNonce, replayMeasuredModels, reportData, type NoncedEvidence } from "../../receipts/index.ts";
import { StepFailure } from "../verification.ts";
import { appraisedSource, type KeysetContext } from "./context.ts";

export interface KeysetAppraisal {
  readonly cpu: Appraisal;
  /** Undefined where the keyset claims no GPUs. */
  readonly gpus: Appraisal | undefined;
}

/** @throws StepFailure where any part is refused, or is not what the keyset says */
export function appraiseFor(context: KeysetContext, given: NoncedEvidence, now: Date): KeysetAppraisal {
  const parts = checkGpuClaim(context, given)
    ? appraiseAll(context, given, now)
    : appraiseCpu(context, given, now);
  const { cpu, gpus } = parts;
  for (const part of gpus ? [cpu, gpus] : [cpu]) {
    // Also where it is refused, and where one part or fresh evidence alone is simulated or under an own root: then the
    // whole is.
    if (!context.appraisal || isWeaker(part, context.appraisal)) context.appraisal = part;
  }
  const rejected = [cpu, gpus].find((part) => part?.verdict === "rejected");
  if (rejected) throw new StepFailure({ appraisal: rejected.code }, rejected.message);
  checkMeasuredModels(given);
  return parts;
}

const SOURCES = ["simulated", "operator_asserted", "hardware_proven"];

function isWeaker(part: Appraisal, known: Appraisal): boolean {
  return SOURCES.indexOf(appraisedSource(part)) < SOURCES.indexOf(appraisedSource(known));
}

/** Whether there are GPUs, as the attested keyset says: evidence cannot be left out or added on its way. */
function checkGpuClaim({ keyset }: KeysetContext, { gpu }: NoncedEvidence): boolean {
  const claimed = keyset!.attester.gpu;
  if (claimed?.type !== gpu?.type) {
    const message = gpu
      ? "the evidence is of GPUs that the keyset does not claim"
      : "the keyset claims GPUs, and their evidence is missing";
    throw new StepFailure("gpu_evidence_mismatch", message);
  }
  return gpu !== undefined;
}

function appraiseCpu(context: KeysetContext, given: NoncedEvidence, now: Date): KeysetAppraisal {
  const { record, policy, cache, keysetDigest } = context;
  const expectedReportData = reportData(keysetDigest, given.nonce);
  const options = { now, policy, cache, expectedReportData };
  return { cpu: appraise(given as Evidence, record.endorsements, options), gpus: undefined };
}

function appraiseAll(context: KeysetContext, given: NoncedEvidence, now: Date): KeysetAppraisal {
  const { record, policy, cache, keysetDigest } = context;
  const { cpu, gpu } = record.endorsements;
  const { parts } = appraiseComposite(
    {
      cpu: { evidence: given as Evidence, endorsements: cpu },
      gpus: { evidence: given.gpu as Evidence, endorsements: gpu },
    },
    {
      now,
      policy,
      cache,
      expectedReportData: reportData(keysetDigest, given.nonce),
      expectedGpuNonce: gpuNonce(keysetDigest, given.nonce),
    },
  );
  return parts;
}

/** The models that come beside a TDX quote lead to its RTMR3, so that each of them was measured. */
function checkMeasuredModels({ type, quote, measuredModels }: NoncedEvidence): void {
  if (!measuredModels) return;
  const body = type === "tdx" ? parseQuote(quote).body : undefined;
  const register = body && body.kind !== "sgx" ? body.rtmr[measuredModels.register] : undefined;
  if (!register || !equal(register, replayMeasuredModels(measuredModels))) {
    throw new StepFailure(
      "measured_models_mismatch",
      "the measured models do not lead to the quote's register",
    );
  }
}

/** Whose GPUs they are: sorted identities. */
export function gpuIdsOf(gpus: Appraisal | undefined): readonly string[] {
  const devices = Object.values((gpus?.claims["submods"] ?? {}) as Record<string, { ueid: string }>);
  return devices.map(({ ueid }) => ueid).sort();
}

/** What is claimed of GPUs whose evidence holds: never that they are attached to this very machine. */
export function gpuClaimValue({ claims, simulated }: Appraisal): string {
  if (simulated) return "SIMULATED";
  const count = Object.keys((claims["submods"] ?? {}) as object).length;
  return `evidence genuine (${count} ${count === 1 ? "device" : "devices"}), measurements ${String(claims["measurements"])}`;
}
