/** Why an administrator's request is refused. */
export type AdminErrorCode =
  | "admin_off"
  | "admin_request_malformed"
  | "admin_key_unknown"
  | "admin_signature_invalid"
  | "admin_request_expired"
  | "admin_expiry_too_far"
  | "admin_request_replayed";

export class AdminError extends Error {
  override readonly name = "AdminError";
  readonly code: AdminErrorCode;
  constructor(code: AdminErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
