/** What keeps an audit bundle or a disclosure from being read. */
export type AuditErrorCode = "archive_invalid" | "audit_invalid" | "disclosure_invalid" | "field_unavailable";

export class AuditError extends Error {
  override readonly name = "AuditError";
  readonly code: AuditErrorCode;
  constructor(code: AuditErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
