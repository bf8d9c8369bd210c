/** Seals an answer's body into EHBP frames. */
import { createCipheriv } from "node:crypto";
import { AEAD_TAG_BYTES, chunkNonce, FRAME_HEADER_BYTES, type AeadKey } from "../../sealing/index.ts";

/** Of plaintext in a frame: clients that join what comes until a frame is whole do so over little. */
const FRAME_BYTES = 256 * 1024;

export class BodySealer {
  readonly #key: AeadKey;
  #sealed = 0;

  constructor(key: AeadKey) {
    this.#key = key;
  }

  /** The frames of these bytes; none for no bytes. */
  seal(plain: Uint8Array): Buffer {
    const frames = Math.ceil(plain.length / FRAME_BYTES);
    const out = Buffer.allocUnsafe(plain.length + frames * (FRAME_HEADER_BYTES + AEAD_TAG_BYTES));
    let offset = 0;
    for (let start = 0; start < plain.length; start += FRAME_BYTES) {
      offset = this.#frame(plain.subarray(start, start + FRAME_BYTES), out, offset);
    }
    return out;
  }

  /** Seals each chunk as it comes, so that a streamed answer stays one. */
  stream(): TransformStream<Uint8Array, Uint8Array> {
    return new TransformStream({
      transform: (chunk, controller) => {
        if (chunk.length > 0) controller.enqueue(this.seal(chunk));
      },
    });
  }

  #frame(plain: Uint8Array, out: Buffer, offset: number): number {
    const { key, baseNonce } = this.#key;
    const cipher = createCipheriv("aes-256-gcm", key, chunkNonce(baseNonce, this.#sealed++));
    let end = out.writeUInt32BE(plain.length + AEAD_TAG_BYTES, offset);
    end += cipher.update(plain).copy(out, end);
    cipher.final();
    return end + cipher.getAuthTag().copy(out, end);
  }
}
