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

/** A frame under one of the keys that it may be sealed with. */
interface Trial<Key> {
  key: Key;
  decipher: DecipherGCM;
  plain: Uint8Array[];
}

interface Frame<Key> {
  trials: Trial<Key>[];
  /** Of the ciphertext, without its tag. */
  left: number;
}

export class BodyOpener<Key extends AeadKey = AeadKey> {
  readonly #header = new Gathering(FRAME_HEADER_BYTES);
  readonly #tag = new Gathering(AEAD_TAG_BYTES);
  readonly #onKey: (key: Key) => void;
  /** What the first frame may be sealed with; the one that opened it from then on. */
  #keys: readonly Key[];
  #frame: Frame<Key> | undefined;
  #opened = 0;

  /** @param onKey told which of several keys opened the first frame */
  constructor(keys: readonly Key[], onKey: (key: Key) => void = () => undefined) {
    this.#keys = keys;
    this.#onKey = onKey;
  }

  /**
   * Appends what a piece of the body holds to `plain`. Nothing of it may be used before `end` returned.
   * @throws SealingError `sealed_frames_invalid`, `sealed_message_unreadable`
   */
  push(piece: Uint8Array, plain: Uint8Array[]): void {
    let rest = piece;
    while (rest.length > 0) {
      const taken = this.#frame ? this.#fill(this.#frame, rest, plain) : this.#begin(rest);
      rest = rest.subarray(taken);
    }
  }

  /** @throws SealingError `sealed_frames_invalid` where a frame is cut off, or there was none */
  end(): void {
    if (this.#frame || !this.#header.isEmpty || this.#opened === 0)
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
      const trials = this.#keys.map((key): Trial<Key> => ({ key, decipher: this.#decipher(key), plain: [] }));
      this.#frame = { trials, left: length - AEAD_TAG_BYTES };
    }
    return taken;
  }

  #decipher({ key, baseNonce }: Key): DecipherGCM {
    return createDecipheriv("aes-256-gcm", key, chunkNonce(baseNonce, this.#opened));
  }

  #fill(frame: Frame<Key>, rest: Uint8Array, plain: Uint8Array[]): number {
    if (frame.left > 0) {
      const ciphertext = rest.subarray(0, frame.left);
      for (const trial of frame.trials) trial.plain.push(trial.decipher.update(ciphertext));
      frame.left -= ciphertext.length;
      return ciphertext.length;
    }
    const taken = this.#tag.take(rest);
    if (this.#tag.full()) plain.push(...this.#finish(frame));
    return taken;
  }

  #finish({ trials }: Frame<Key>): Uint8Array[] {
    const opened = trials.find(({ decipher }) => authenticates(decipher, this.#tag.bytes));
    if (!opened)
      throw new SealingError("sealed_message_unreadable", "a chunk of the sealed body does not open");
    this.#frame = undefined;
    this.#opened++;
    this.#keys = [opened.key];
    this.#onKey(opened.key);
    return opened.plain;
  }
}

function authenticates(decipher: DecipherGCM, tag: Uint8Array): boolean {
  try {
    decipher.setAuthTag(tag);
    decipher.final();
    return true;
  } catch {
    return false;
  }
}
