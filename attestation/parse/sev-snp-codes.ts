/** Every refusal that SEV-SNP evidence alone may meet. */

/** The report's bytes are not a report that is understood. */
type SnpFormatErrorCode =
  | "report_size"
  | "report_version"
  | "report_reserved"
  | "report_signature_algorithm"
  | "product_unknown";

/** The parts are well formed, but do not belong together or are not signed. */
type SnpVerifyErrorCode =
  | "endorsement_missing"
  | "endorsement_malformed"
  | "endorsement_mismatch"
  | "report_unsigned"
  | "report_signature_invalid"
  | "product_mismatch"
  | "tcb_mismatch"
  | "chip_id_mismatch";

/** Genuine, but not what the policy wants. */
type SnpPolicyErrorCode =
  | "tcb_inconsistent"
  | "tcb_too_old"
  | "firmware_too_old"
  | "firmware_provisional"
  | "vmpl_not_allowed"
  | "guest_policy_not_allowed"
  | "guest_svn_too_low"
  | "platform_not_allowed"
  | "platform_info_not_allowed"
  | "signing_key_not_allowed"
  | "mitigations_missing"
  | "host_data_mismatch"
  | "id_block_mismatch"
  | "report_id_mismatch";

export type SnpErrorCode = SnpFormatErrorCode | SnpVerifyErrorCode | SnpPolicyErrorCode;
