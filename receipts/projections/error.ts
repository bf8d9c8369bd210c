/** Refusals of ACI receipts, COSE receipts and transparent statements. AIR has codes of its own. */

export type ProjectionErrorCode =
  | "aci_invalid"
  | "aci_version_unknown"
  | "aci_keyset_mismatch"
  | "aci_key_unknown"
  | "aci_signature_invalid"
  | "cose_receipt_invalid";

export class ProjectionError extends Error {
  override readonly name = "ProjectionError";
  readonly code: ProjectionErrorCode;
  constructor(code: ProjectionErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
