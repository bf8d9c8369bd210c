/** Why an owner's broker gives no key, or cannot serve. The evidence's own faults keep the codes of the appraisal. */
export type BrokerErrorCode =
  | "broker_request_malformed"
  | "challenge_unknown"
  | "challenge_expired"
  | "challenge_limit"
  | "model_unknown"
  | "model_revoked"
  | "model_mismatch"
  | "sealed_weights_malformed"
  | "sealed_weights_unreadable"
  | "broker_key_invalid"
  | "broker_state_invalid"
  | "listen_failed";

export class BrokerError extends Error {
  override readonly name = "BrokerError";
  readonly code: BrokerErrorCode;
  constructor(code: BrokerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** The evidence does not meet the owner's policy. */
export class EvidenceRefusedError extends Error {
  override readonly name = "EvidenceRefusedError";
  /** As `appraise` names it: `report_data_mismatch`, `simulated_refused`, `measurement_mismatch`… */
  readonly code: string;
  /** The attestation result that says why, as a signed EAR. */
  readonly ear: string;
  constructor(code: string, message: string, ear: string) {
    super(message);
    this.code = code;
    this.ear = ear;
  }
}
