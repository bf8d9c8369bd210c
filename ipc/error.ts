/**
 * - `closed`: either end closed, or the stream failed; what was asked may or may not have been done
 * - `protocol`: the peer sent something that no correct peer sends; the channel closed
 * - `frame_too_large`: a payload above `maxFrameBytes`; from the peer it closes the channel, from a caller it is refused
 * - `busy`: `maxInFlight` requests are already waiting
 * - `failed`: the peer's handler threw; only this request is affected
 * - `aborted`: the caller's signal fired; the peer is not told and may still do the work
 */
export type ChannelErrorCode = "closed" | "protocol" | "frame_too_large" | "busy" | "failed" | "aborted";

export class ChannelError extends Error {
  override readonly name = "ChannelError";
  readonly code: ChannelErrorCode;
  constructor(code: ChannelErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
