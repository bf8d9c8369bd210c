/** One try at a promise: what its failure means for the promise. */
import { ModelError } from "../../models/index.ts";
import { ProofError } from "../../proofs/index.ts";
import { endPromise, type Database } from "../db/index.ts";
import { JobFailure } from "../jobs/error.ts";
import type { RunningJob } from "../jobs/index.ts";

/** What lies in the model, the circuit or the input: no other try ends otherwise. */
const HOPELESS = new Set<string>([
  "engine_failed",
  "output_not_finite",
  "output_invalid",
  "circuit_invalid",
  "circuit_id_mismatch",
  "circuit_not_found",
  "circuit_shape_mismatch",
  "circuit_input_out_of_range",
  "settings_mismatch",
  "verifying_key_mismatch",
  "srs_mismatch",
  "parameters_mismatch",
  "proof_length_mismatch",
  "instances_invalid",
  "proof_invalid",
  "prover_failed",
]);

/**
 * Where the last try fails, or none can succeed, the promise has failed; that its deadline is missed is logged when it comes.
 * @throws JobFailure
 */
export async function attempt(database: Database, job: RunningJob, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    const failure = cause instanceof JobFailure ? cause : failureOf(cause);
    // Told to end: by whoever cancelled it and said so, or by a shutdown, after which it is tried again.
    if (job.signal.aborted) throw failure;
    if (!failure.retry || job.lastTry)
      await endPromise(database, job.id, { state: "failed", code: failure.code });
    // What nobody foresaw is the queue's to report.
    throw failure.code === "internal" ? cause : failure;
  }
}

function failureOf(cause: unknown): JobFailure {
  const code = cause instanceof ProofError || cause instanceof ModelError ? cause.code : "internal";
  return new JobFailure(code, { retry: !HOPELESS.has(code), cause });
}
