/**
 * Frames: `u32 LE payload length ‖ u32 LE id ‖ u8 kind ‖ payload`.
 * The top bit of an id marks a reply; the other 31 bits pair it with its request.
 */
import { ChannelError } from "./error.ts";

export const HEADER_BYTES = 9;
export const REPLY_BIT = 0x8000_0000;

/** One message: a kind that the two ends agree on (0 to 254) and its payload. */
export interface Frame {
  readonly kind: number;
  readonly payload: Buffer;
}

export interface RawFrame extends Frame {
  readonly id: number;
}

export function encodeHeader(payloadBytes: number, id: number, kind: number): Buffer {
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  header.writeUInt32LE(payloadBytes, 0);
  header.writeUInt32LE(id, 4);
  header[8] = kind;
  return header;
}

/**
 * Cuts a byte stream into frames. A payload inside one chunk is a view of that chunk; one that spans chunks
 * is copied once into a buffer of its own, so at most one frame is ever held back.
 */
export class FrameParser {
  readonly #maxFrameBytes: number;
  readonly #header = Buffer.alloc(HEADER_BYTES);
  #headerFilled = 0;
  #payload: Buffer | undefined;
  #payloadFilled = 0;

  constructor(maxFrameBytes: number) {
    this.#maxFrameBytes = maxFrameBytes;
  }

  /**
   * Hands every frame that the chunk completes to `accept`, in order.
   * @throws ChannelError `frame_too_large` on a header that announces more than the limit; the stream cannot be
   * resynchronised after that.
   */
  push(chunk: Buffer, accept: (frame: RawFrame) => void): void {
    let offset = 0;
    while (offset < chunk.length || this.#isEmptyPayload()) {
      if (this.#headerFilled < HEADER_BYTES) {
        offset = this.#fillHeader(chunk, offset);
        continue;
      }
      const payloadBytes = this.#header.readUInt32LE(0);
      if (this.#payload === undefined && chunk.length - offset >= payloadBytes) {
        const payload = chunk.subarray(offset, offset + payloadBytes);
        offset += payloadBytes;
        this.#finish(payload, accept);
        continue;
      }
      this.#payload ??= Buffer.allocUnsafeSlow(payloadBytes);
      const copied = chunk.copy(this.#payload, this.#payloadFilled, offset);
      offset += copied;
      this.#payloadFilled += copied;
      if (this.#payloadFilled === payloadBytes) this.#finish(this.#payload, accept);
    }
  }

  #isEmptyPayload(): boolean {
    return this.#headerFilled === HEADER_BYTES && this.#header.readUInt32LE(0) === 0;
  }

  #fillHeader(chunk: Buffer, offset: number): number {
    const copied = chunk.copy(
      this.#header,
      this.#headerFilled,
      offset,
      offset + HEADER_BYTES - this.#headerFilled,
    );
    this.#headerFilled += copied;
    if (this.#headerFilled === HEADER_BYTES && this.#header.readUInt32LE(0) > this.#maxFrameBytes) {
      throw new ChannelError("frame_too_large", "the peer announced a frame above the limit");
    }
    return offset + copied;
  }

  #finish(payload: Buffer, accept: (frame: RawFrame) => void): void {
    const frame: RawFrame = { id: this.#header.readUInt32LE(4), kind: this.#header[8]!, payload };
    this.#headerFilled = 0;
    this.#payload = undefined;
    this.#payloadFilled = 0;
    accept(frame);
  }
}
