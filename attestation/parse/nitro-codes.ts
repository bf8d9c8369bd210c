/** Every refusal that Nitro evidence alone may meet. */
export type NitroErrorCode =
  | "document_malformed"
  | "document_signature_invalid"
  | "document_from_future"
  | "document_too_old"
  | "pcr_missing"
  | "pcr_mismatch"
  | "nonce_mismatch"
  | "user_data_mismatch"
  | "public_key_mismatch";
