/** Every refusal that SEV-SNP evidence alone may meet. */
export type SnpErrorCode =
  // Format of the report
  | "report_size"
  | "report_version"
  | "report_reserved"
  | "report_signature_algorithm"
  | "product_unknown"
  // Endorsements
  | "endorsement_missing"
  | "endorsement_malformed"
  | "endorsement_mismatch"
  | "product_mismatch"
  | "tcb_mismatch"
  | "chip_id_mismatch"
  // Signature
  | "report_unsigned"
  | "report_signature_invalid"
  // Policy
  | "tcb_inconsistent"
  | "tcb_too_old"
  | "firmware_too_old"
  | "firmware_provisional"
  | "vmpl_not_allowed"
  | "guest_policy_rejected"
  | "guest_svn_too_low"
  | "platform_rejected"
  | "mitigations_missing"
  | "id_block_mismatch";
