/** Opens a body of EHBP frames as it arrives: AES-256-GCM in pieces, each frame authenticated before the body is used. */
import { createDecipheriv, type DecipherGCM } from "node:crypto";
import {
  AEAD_TAG_BYTES,
  chunkNonce,
  FRAME_HEADER_BYTES,
  readFrameHeader,
  SealingError,
  type AeadKey,
} from "../../sealing/index.ts";

/** Fills up from pieces. */
class Gathering {
  readonly bytes: Buffer;
  #filled = 0;

  constructor(byteLength: number) {
    this.bytes = Buffer.alloc(byteLength);
  }

  get isEmpty(): boolean {
    return this.#filled === 0;
  }

  /** @returns how many bytes of the piece it took */
  take(piece: Uint8Array): number {
    const taken = piece.subarray(0, this.bytes.length - this.#filled);
    this.bytes.set(taken, this.#filled);
    this.#filled += taken.length;
    return taken.length;
  }

  /** @returns whether it is full; then it is empty again */
  full(): boolean {
    if (this.#filled < this.bytes.length) return false;
    this.#filled = 0;
    return true;
  }
}

export class BodyOpener {
  readonly #key: AeadKey;
  readonly #header = new Gathering(FRAME_HEADER_BYTES);
  readonly #tag = new Gathering(AEAD_TAG_BYTES);
  #decipher: DecipherGCM | undefined;
  /** Of the frame's ciphertext, without its tag. */
  #left = 0;
  #opened = 0;

  constructor(key: AeadKey) {
    this.#key = key;
  }

  /**
   * Appends what a piece of the body holds to `plain`. Nothing of it may be used before `end` returned.
   * @throws SealingError `sealed_frames_invalid`, `sealed_message_unreadable`
   */
  push(piece: Uint8Array, plain: Uint8Array[]): void {
    let rest = piece;
    while (rest.length > 0) {
      const taken = this.#decipher ? this.#fill(this.#decipher, rest, plain) : this.#begin(rest);
      rest = rest.subarray(taken);
    }
  }

  /** @throws SealingError `sealed_frames_invalid` where a frame is cut off, or there was none */
  end(): void {
    if (this.#decipher || !this.#header.isEmpty || this.#opened === 0)
      throw new SealingError("sealed_frames_invalid", "the sealed body is cut off");
  }

  /** Frames that were authenticated: with none, it may be the key that is wrong. */
  get opened(): number {
    return this.#opened;
  }

  #begin(rest: Uint8Array): number {
    const taken = this.#header.take(rest);
    if (!this.#header.full()) return taken;
    const length = readFrameHeader(this.#header.bytes);
    if (length > 0) {
      const { key, baseNonce } = this.#key;
      this.#decipher = createDecipheriv("aes-256-gcm", key, chunkNonce(baseNonce, this.#opened));
      this.#left = length - AEAD_TAG_BYTES;
    }
    return taken;
  }

  #fill(decipher: DecipherGCM, rest: Uint8Array, plain: Uint8Array[]): number {
    if (this.#left > 0) {
      const ciphertext = rest.subarray(0, this.#left);
      plain.push(decipher.update(ciphertext));
      this.#left -= ciphertext.length;
      return ciphertext.length;
    }
    const taken = this.#tag.take(rest);
    if (this.#tag.full()) this.#finish(decipher);
    return taken;
  }

  #finish(decipher: DecipherGCM): void {
    try {
      decipher.setAuthTag(this.#tag.bytes);
      decipher.final();
    } catch (cause) {
      throw new SealingError("sealed_message_unreadable", "a chunk of the sealed body does not open", {
        cause,
      });
    }
    this.#decipher = undefined;
    this.#opened++;
  }
}
