/** The one error family of receipts: every refusal has a stable code. */

export type ReceiptErrorCode =
  | "statement_invalid"
  | "statement_not_decodable"
  | "signature_invalid"
  | "signature_high_s"
  | "leaf_invalid"
  | "salt_invalid"
  | "digest_input_invalid"
  | "tensor_invalid"
  | "tensor_name_duplicate"
  | "tensor_limit"
  | "tensor_encoding_invalid"
  | "output_kind_mismatch"
  | "output_not_finite"
  | "output_overflow"
  | "output_limit"
  | "keyset_invalid"
  | "keyset_not_canonical"
  | "keyset_prefix_mismatch"
  | "nonce_invalid"
  | "range_invalid"
  | "tree_position_invalid"
  | "inclusion_invalid"
  | "consistency_invalid"
  | "note_invalid"
  | "note_limit"
  | "note_signature_missing"
  | "note_signature_invalid"
  | "checkpoint_invalid"
  | "checkpoint_origin_mismatch"
  | "add_checkpoint_invalid"
  | "tile_invalid"
  | "proof_text_invalid"
  | "header_invalid"
  | "bundle_limit"
  | "bundle_invalid"
  | "format_version_unknown"
  | "private_part_invalid"
  | "revocation_invalid"
  | "owner_policy_invalid";

export class ReceiptError extends Error {
  override readonly name = "ReceiptError";
  readonly code: ReceiptErrorCode;
  constructor(code: ReceiptErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
