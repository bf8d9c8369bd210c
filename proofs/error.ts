/** The one error family of proofs: every refusal has a stable code. Browser-safe. */

export type ProofErrorCode =
  /** A circuit's record, or a bundle on disk, is not what it should be. */
  | "circuit_invalid"
  | "circuit_id_mismatch"
  | "circuit_not_found"
  /** The model cannot be made a circuit: an operator, a datatype or a shape. */
  | "circuit_unsupported"
  /** No setting that was tried keeps the circuit's output within the bound. */
  | "circuit_bound_unreachable"
  | "circuit_shape_mismatch"
  | "circuit_input_out_of_range"
  | "binding_invalid"
  | "binding_signature_invalid"
  | "binding_mismatch"
  | "proof_bundle_invalid"
  | "proof_bundle_limit"
  | "format_version_unknown"
  /** What a proof's check can say no to, in the order in which it is asked. */
  | "settings_mismatch"
  | "verifying_key_mismatch"
  | "srs_mismatch"
  | "proof_length_mismatch"
  | "instances_invalid"
  | "parameters_mismatch"
  | "proof_invalid"
  /** An optional part is not installed; the message names the command. */
  | "proof_system_missing"
  | "prover_crashed"
  | "prover_timeout"
  | "prover_memory"
  | "prover_disk_full"
  | "prover_busy"
  /** A generated contract that no chain takes. */
  | "verifier_too_large"
  | "verifier_unsuitable"
  /** The proof system said no: the message has its words. */
  | "prover_failed"
  | "cancelled";

export class ProofError extends Error {
  override readonly name = "ProofError";
  readonly code: ProofErrorCode;
  constructor(code: ProofErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
