/** Every refusal that NVIDIA evidence alone may meet. */

/** The bytes are not a report, list or reference manifest that is understood. */
type NvidiaFormatErrorCode =
  | "spdm_malformed"
  | "spdm_version_unsupported"
  | "spdm_opaque_malformed"
  | "evidence_list_malformed"
  | "evidence_duplicate"
  | "rim_malformed"
  | "ocsp_malformed";

/** The parts are well formed, but do not belong together or are not signed. */
type NvidiaVerifyErrorCode =
  | "spdm_signature_invalid"
  | "certificate_missing"
  | "fwid_missing"
  | "fwid_mismatch"
  | "nonce_mismatch"
  | "rim_signature_invalid"
  | "rim_digest_mismatch"
  | "rim_transform_unsupported"
  | "rim_version_mismatch"
  | "rim_missing"
  | "rim_product_mismatch"
  | "rim_index_conflict"
  | "rim_measurement_mismatch"
  | "ocsp_signature_invalid"
  | "ocsp_not_yet_valid"
  | "ocsp_expired"
  | "ocsp_certificate_unknown"
  | "ocsp_missing";

/** Genuine, but not what the policy wants. */
type NvidiaPolicyErrorCode = "driver_version_refused" | "vbios_version_refused" | "confidential_mode_refused";

export type NvidiaErrorCode = NvidiaFormatErrorCode | NvidiaVerifyErrorCode | NvidiaPolicyErrorCode;
