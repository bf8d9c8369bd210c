/** What a verification says: each step as it went, each claim with its status and what it rests on. */
import type { ClaimSource } from "../attestation/index.ts";
import type { ProofErrorCode } from "../proofs/client.ts";

export type { ClaimSource } from "../attestation/index.ts";

/** Why a receipt is refused. An appraisal's own codes (`simulated_refused`, `debug_enabled`, …) pass through as they are. */
export type VerificationCode =
  | "bundle_invalid"
  | "certificate_without_evidence"
  | "tls_key_mismatch"
  | "type_mismatch"
  | FieldCode
  | "signature_mismatch"
  | "signature_invalid"
  | "signature_high_s"
  | "signer_not_in_keyset"
  | "keyset_invalid"
  | "keyset_expired"
  | "issued_in_future"
  | "issued_outside_keyset"
  | "keyset_statement_mismatch"
  | "keyset_statement_signature_invalid"
  | "evidence_digest_mismatch"
  | "endorsements_digest_mismatch"
  | "gpu_evidence_mismatch"
  | "measured_models_mismatch"
  | "attested_checkpoint_mismatch"
  | "attested_checkpoint_invalid"
  | "log_checkpoint_invalid"
  | "keyset_not_logged"
  | "fresh_evidence_missing"
  | "fresh_nonce_mismatch"
  | "manifest_invalid"
  | "model_unexpected"
  | "policy_invalid"
  | "execution_invalid"
  | "request_invalid"
  | "response_invalid"
  | "input_invalid"
  | "output_invalid"
  | "inclusion_invalid"
  | "inclusion_missing"
  | "cosignatures_missing"
  | "issued_after_log"
  | "revocation_invalid"
  | "revoked"
  | "circuit_owner_unexpected"
  | "srs_development_refused"
  | "srs_untrusted"
  | "circuit_commitment_missing"
  | "later_signer_mismatch"
  | "proof_subject_mismatch"
  | "proof_statement_mismatch"
  | "output_bound_exceeded"
  | ProofCode;

/** Why a proof is refused, by the check of the proof itself. */
type ProofCode = Extract<
  ProofErrorCode,
  | "binding_invalid"
  | "binding_signature_invalid"
  | "binding_mismatch"
  | "settings_mismatch"
  | "verifying_key_mismatch"
  | "srs_mismatch"
  | "proof_length_mismatch"
  | "instances_invalid"
  | "parameters_mismatch"
  | "proof_invalid"
  | "circuit_shape_mismatch"
  | "circuit_input_out_of_range"
>;

/** One code a signed field. */
export type FieldCode =
  | "request_id_mismatch"
  | "model_id_mismatch"
  | "input_commitment_mismatch"
  | "output_digest_mismatch"
  | "request_digest_mismatch"
  | "response_digest_mismatch"
  | "circuit_input_mismatch"
  | "execution_digest_mismatch"
  | "keyset_digest_mismatch"
  | "policy_digest_mismatch"
  | "requester_mismatch"
  | "audience_mismatch"
  | "settlement_mismatch"
  | "promised_mismatch"
  | "promise_deadline_ms_mismatch"
  | "issued_at_ms_mismatch"
  | "sequence_mismatch";

export type ClaimStatus = "verified" | "unchecked" | "asserted";

export interface Claim {
  claim: string;
  /** What is claimed, for people and machines. */
  value: string;
  /** `verified` by a step; `unchecked`: nothing here could; `asserted`: on somebody's word, named in `source`. */
  status: ClaimStatus;
  source: ClaimSource;
}

export interface StepResult {
  step: string;
  status: "pass" | "fail" | "skipped";
  detail: string;
}

export interface Verification {
  verdict: "accepted" | "rejected";
  /** `ok`, or why the receipt is refused: a `VerificationCode` or an appraisal's code. */
  code: string;
  /** For people: the reason, empty where accepted. */
  message: string;
  /** Whether the evidence is of the simulated TEE, which proves nothing. */
  simulated: boolean;
  steps: StepResult[];
  /** Empty where rejected: what a refused receipt says is worth nothing. */
  claims: Claim[];
}

/** A step that does not hold. */
export class StepFailure extends Error {
  override readonly name = "StepFailure";
  readonly code: string;
  constructor(code: VerificationCode | { appraisal: string }, message: string) {
    super(message);
    this.code = typeof code === "string" ? code : code.appraisal;
  }
}

export function fieldCode(field: string): FieldCode {
  return `${field.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)}_mismatch` as FieldCode;
}
