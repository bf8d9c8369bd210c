/** What can go wrong between a program, a chain and its contracts. */
export type ChainErrorCode =
  | "chain_unreachable"
  | "chain_mismatch"
  | "contract_missing"
  | "contract_reverted"
  | "transaction_failed"
  | "funds_insufficient"
  | "deployment_invalid"
  | "evidence_unsupported"
  | "output_unavailable"
  | "receipt_unsuitable"
  | "opening_invalid"
  | "checkpoint_not_newer";

export interface ChainErrorOptions {
  /** The contract's own error, in snake case: `audience_mismatch` for `AudienceMismatch`. */
  detail?: string | undefined;
  cause?: unknown;
}

export class ChainError extends Error {
  override readonly name = "ChainError";
  readonly code: ChainErrorCode;
  readonly detail: string | undefined;

  constructor(code: ChainErrorCode, message: string, options: ChainErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.detail = options.detail;
  }
}
