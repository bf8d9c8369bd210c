/** The codes of proofs and of background jobs as problems. */
import type { ProofErrorCode } from "../proofs/client.ts";
import type { JobErrorCode } from "./jobs/error.ts";
import type { ProblemRow } from "./problem-row.ts";

export const PROOF_PROBLEMS = {
  circuit_invalid: [500, "A circuit's record is not valid"],
  circuit_id_mismatch: [500, "A circuit's files are not those of its id"],
  circuit_not_found: [404, "There is no such circuit"],
  circuit_unsupported: [422, "The model cannot be made a circuit"],
  circuit_bound_unreachable: [422, "No circuit keeps the model's output within the bound"],
  circuit_shape_mismatch: [422, "The input has another shape than the model's circuit takes"],
  circuit_input_out_of_range: [422, "The input has a value that the model's circuit cannot take"],
  binding_invalid: [500, "A circuit binding is malformed"],
  binding_signature_invalid: [500, "A circuit binding is not signed by the key it names"],
  binding_mismatch: [500, "A circuit binding is about another circuit"],
  proof_bundle_invalid: [500, "The proof bundle is malformed"],
  proof_bundle_limit: [500, "The proof bundle is too large"],
  settings_mismatch: [500, "The circuit's settings are not the bound ones"],
  verifying_key_mismatch: [500, "The verifying key is not the bound circuit's"],
  srs_mismatch: [500, "The SRS is not the bound circuit's"],
  proof_length_mismatch: [500, "The proof has another length than the circuit's"],
  instances_invalid: [500, "The proof's instances are malformed"],
  parameters_mismatch: [500, "The proof is about other weights"],
  proof_invalid: [500, "The proof does not hold"],
  proof_system_missing: [503, "The proof system is not installed"],
  prover_crashed: [502, "The prover died"],
  prover_timeout: [504, "The prover ran too long and was stopped"],
  prover_memory: [503, "The prover ran out of memory"],
  prover_disk_full: [503, "The prover's disk is full"],
  prover_busy: [503, "The prover is busy"],
  verifier_too_large: [500, "The circuit's verifier is too large for a chain"],
  verifier_unsuitable: [500, "No chain takes the circuit's verifying key"],
  prover_failed: [500, "The prover failed"],
} as const satisfies Record<Exclude<ProofErrorCode, "cancelled" | "format_version_unknown">, ProblemRow>;

export const JOB_PROBLEMS = {
  jobs_unsupported: [503, "Background jobs are off: they need Node 22.12 or newer"],
  jobs_closed: [503, "The service no longer takes jobs"],
  job_not_found: [404, "There is no such job"],
  job_not_failed: [409, "Only a failed or cancelled job can be tried again"],
  job_ended: [409, "The job has ended"],
  job_payload_too_large: [413, "The request is too large to be worked on later"],
} as const satisfies Record<JobErrorCode, ProblemRow>;
