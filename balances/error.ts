/** The one error family of balances: every refusal has a stable code. */

/** What the native addon says, as its faults are named there. */
const NATIVE_MESSAGES = {
  seed_invalid: "the seed has not 32 bytes",
  key_invalid: "a key does not parse or is not of the parameter set",
  ciphertext_invalid: "a ciphertext does not parse, is too large or is not of the parameter set",
  ciphertext_trivial: "a ciphertext is trivial: it hides nothing",
  proof_invalid: "the proof does not show that its maker knows the amount, for this account and request",
  amount_invalid: "an amount is 0 to 2^64 - 1",
  threads_invalid: "the number of threads is out of range",
  computation_failed: "the computation failed",
} as const;

type NativeCode = keyof typeof NATIVE_MESSAGES;

export type BalanceErrorCode =
  | NativeCode
  | "addon_missing"
  | "addon_broken"
  | "busy"
  | "cancelled"
  | "owner_invalid"
  | "account_exists"
  | "account_unknown"
  | "account_frozen"
  | "account_mismatch"
  | "request_invalid"
  | "request_expired"
  | "request_expiry_too_far"
  | "request_replayed"
  | "request_out_of_order"
  | "server_key_mismatch"
  | "signature_invalid"
  | "order_invalid"
  | "order_expired"
  | "operand_invalid"
  | "operand_mismatch"
  | "operation_invalid"
  | "entry_unknown"
  | "entry_invalid"
  | "chain_broken"
  | "reference_used"
  | "supply_overflow"
  | "transfer_unknown"
  | "transfer_received"
  | "refund_unknown"
  | "refund_duplicate"
  | "blob_missing"
  | "blob_mismatch"
  | "reading_invalid"
  | "terms_invalid"
  | "allowance_limit"
  | "price_list_invalid"
  | "price_list_signature_invalid";

export class BalanceError extends Error {
  override readonly name = "BalanceError";
  readonly code: BalanceErrorCode;
  constructor(code: BalanceErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/** What the addon threw, under its code; anything else is the addon's own fault. */
export function fromNative(error: unknown): BalanceError {
  const code = error instanceof Error ? error.message : "";
  if (Object.hasOwn(NATIVE_MESSAGES, code)) {
    return new BalanceError(code as NativeCode, NATIVE_MESSAGES[code as NativeCode]);
  }
  return new BalanceError("computation_failed", NATIVE_MESSAGES.computation_failed, { cause: error });
}
