/** The one error family of attestation: every refusal has a stable code. */
import type { AppraisalErrorCode } from "./appraise/codes.ts";
import type { AzureErrorCode } from "./parse/azure-vtpm-codes.ts";
import type { DcapErrorCode } from "./parse/dcap-codes.ts";
import type { DstackErrorCode } from "./parse/dstack-codes.ts";
import type { EventLogErrorCode } from "./parse/event-log-codes.ts";
import type { NitroErrorCode } from "./parse/nitro-codes.ts";
import type { NvidiaErrorCode } from "./parse/nvidia-codes.ts";
import type { SnpErrorCode } from "./parse/sev-snp-codes.ts";
import type { X509ErrorCode } from "./verify/x509.ts";

/** Refusals that any technology's evidence may meet. */
export type CommonErrorCode =
  | "attester_unavailable"
  | "report_data_size"
  | "evidence_type_unknown"
  | "evidence_malformed"
  | "endorsements_malformed"
  | "policy_malformed";

export type AttestationErrorCode =
  | CommonErrorCode
  | AppraisalErrorCode
  | DcapErrorCode
  | SnpErrorCode
  | NitroErrorCode
  | EventLogErrorCode
  | DstackErrorCode
  | NvidiaErrorCode
  | AzureErrorCode
  | X509ErrorCode;

export class AttestationError extends Error {
  override readonly name = "AttestationError";
  readonly code: AttestationErrorCode;
  constructor(code: AttestationErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
