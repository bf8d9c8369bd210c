/** Why endorsements could not be had. */
export type EndorsementErrorCode =
  /** The service could not be reached, or broke off. */
  | "endorsement_unreachable"
  | "endorsement_timed_out"
  | "endorsement_too_large"
  /** The service answered that it has none. */
  | "endorsement_not_found"
  /** Any other answer but a good one. */
  | "endorsement_refused"
  /** Not what the service's interface says that it gives. */
  | "endorsement_malformed"
  /** No service gives them for such evidence. */
  | "endorsement_unsupported";

export class EndorsementError extends Error {
  override readonly name = "EndorsementError";
  readonly code: EndorsementErrorCode;
  constructor(code: EndorsementErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
