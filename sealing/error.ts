/** Every way a sealed message is refused before or while it is opened. */
export type SealingErrorCode =
  /** The frames of a sealed body do not follow its layout. */
  | "sealed_frames_invalid"
  /** A ciphertext does not open: another key, another order, or a changed byte. */
  | "sealed_message_unreadable"
  /** A key configuration or an encapsulated request does not have its layout, or is of another suite. */
  | "key_config_invalid"
  /** A binary HTTP message does not follow RFC 9292, or is longer than it may be. */
  | "bhttp_invalid";

export class SealingError extends Error {
  override readonly name = "SealingError";
  readonly code: SealingErrorCode;
  constructor(code: SealingErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
