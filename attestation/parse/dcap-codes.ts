/** Why DCAP evidence or its collateral is refused. */

/** The quote's bytes are not a quote that is understood. */
export type QuoteErrorCode =
  | "quote_truncated"
  | "quote_malformed"
  | "quote_trailing_bytes"
  | "quote_version_unsupported"
  | "quote_tee_type_unsupported"
  | "quote_body_type_unsupported"
  | "quote_key_type_unsupported"
  | "quote_vendor_unknown"
  | "quote_certification_unsupported"
  | "pck_chain_missing"
  | "pck_chain_malformed"
  | "pck_extension_malformed";

/** The collateral's bytes are not collateral that is understood. */
export type CollateralErrorCode =
  | "collateral_missing"
  | "collateral_malformed"
  | "tcb_info_malformed"
  | "qe_identity_malformed"
  | "tcb_info_chain_length"
  | "qe_identity_chain_length"
  | "pck_chain_length"
  | "pck_chain_mismatch"
  | "crl_chain_length";

/** The parts are well formed, but a signature, a date or an identity does not hold. */
export type DcapVerifyErrorCode =
  | "tcb_info_expired"
  | "tcb_info_not_yet_valid"
  | "tcb_info_signature_invalid"
  | "tcb_info_mismatch"
  | "qe_identity_expired"
  | "qe_identity_not_yet_valid"
  | "qe_identity_signature_invalid"
  | "qe_identity_mismatch"
  | "crl_missing"
  | "certificate_subject_unexpected"
  | "fmspc_mismatch"
  | "pce_id_mismatch"
  | "qe_report_signature_invalid"
  | "qe_report_data_mismatch"
  | "quote_signature_invalid"
  | "qe_miscselect_mismatch"
  | "qe_attributes_mismatch"
  | "qe_mrsigner_mismatch"
  | "qe_isvprodid_mismatch"
  | "qe_debug"
  | "qe_tcb_not_found"
  | "tdx_module_missing"
  | "tdx_module_mrsigner_mismatch"
  | "tdx_module_attributes_mismatch"
  | "tdx_module_tcb_not_found"
  | "tcb_components_mismatch"
  | "tcb_level_not_found"
  | "tcb_current_not_found";

export type DcapErrorCode = QuoteErrorCode | CollateralErrorCode | DcapVerifyErrorCode;
