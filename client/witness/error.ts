/** What keeps a log witness from starting or from being sure of its own state. */
export type WitnessErrorCode =
  | "key_file_invalid"
  | "key_file_unsafe"
  | "state_invalid"
  | "state_unwritable"
  | "listen_failed";

export class WitnessError extends Error {
  override readonly name = "WitnessError";
  readonly code: WitnessErrorCode;
  constructor(code: WitnessErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
