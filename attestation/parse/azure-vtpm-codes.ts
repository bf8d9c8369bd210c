/** Every refusal that Azure vTPM evidence alone may meet. */
export type AzureErrorCode =
  | "azure_malformed"
  | "azure_report_type_unsupported"
  | "azure_ak_missing"
  | "azure_ak_unsupported"
  | "azure_runtime_data_mismatch"
  | "tpm_quote_malformed"
  | "tpm_quote_unsupported"
  | "tpm_quote_signature_invalid"
  | "tpm_nonce_mismatch"
  | "tpm_pcr_digest_mismatch"
  | "tpm_pcr_missing"
  | "tpm_pcr_mismatch";
