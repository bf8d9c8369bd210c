/**
 * AES-256-GCM in the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár 2015): segments of 1 MiB, each under nonce
 * `zeros (7) ‖ index u32 ‖ last (1)`, so that none can be dropped, repeated, moved or added. The content key is of one file
 * alone, which is why the nonce needs no random part.
 */
import { createCipheriv, createDecipheriv, createHash } from "node:crypto";
import { fromHex } from "../../codec/index.ts";
import { ModelError } from "../errors.ts";
import { malformed, SEGMENT_BYTES, segmentCount, TAG_BYTES, type SealedHead } from "./header.ts";

/** Reads exactly `length` bytes at `position` into `target`; fewer where the file ends. @returns bytes read */
export type ReadAt = (target: Uint8Array, position: number) => Promise<number>;

function nonce(index: number, last: boolean): Uint8Array {
  const bytes = new Uint8Array(12);
  new DataView(bytes.buffer).setUint32(7, index);
  bytes[11] = last ? 1 : 0;
  return bytes;
}

/** @returns ciphertext ‖ tag (16) */
export function sealSegment(
  contentKey: Uint8Array,
  headDigest: Uint8Array,
  index: number,
  last: boolean,
  plaintext: Uint8Array,
): Uint8Array[] {
  const cipher = createCipheriv("aes-256-gcm", contentKey, nonce(index, last));
  cipher.setAAD(headDigest);
  return [cipher.update(plaintext), cipher.final(), cipher.getAuthTag()];
}

/**
 * The weights in memory of their own, written over where this fails. Their digest is compared with the head's, which
 * says nothing yet of a manifest's.
 * @throws ModelError `sealed_weights_malformed` (longer or shorter than the head says), `sealed_weights_unreadable` (another
 *   key, or anything changed)
 */
export async function openSegments(
  head: SealedHead,
  contentKey: Uint8Array,
  readAt: ReadAt,
): Promise<Uint8Array> {
  const { bytes, sha256 } = head.description.weights;
  const weights = new Uint8Array(bytes);
  const buffers = [0, 1].map(() => new Uint8Array(SEGMENT_BYTES + TAG_BYTES));
  const hash = createHash("sha256");
  const count = segmentCount(bytes);
  const read = async (index: number): Promise<Uint8Array> => {
    const length = Math.min(SEGMENT_BYTES, bytes - index * SEGMENT_BYTES);
    const sealed = buffers[index % 2]!.subarray(0, length + TAG_BYTES);
    const position = head.byteLength + index * (SEGMENT_BYTES + TAG_BYTES);
    if ((await readAt(sealed, position)) !== sealed.length) throw malformed("the file is cut off");
    return sealed;
  };
  let next = read(0);
  try {
    for (let index = 0; index < count; index++) {
      const sealed = await next;
      // One is read while the one before it is opened.
      if (index + 1 < count) next = read(index + 1);
      const start = index * SEGMENT_BYTES;
      const opened = weights.subarray(start, start + sealed.length - TAG_BYTES);
      openSegment(contentKey, head.digest, { index, last: index === count - 1, sealed }, opened);
      hash.update(opened);
    }
    const end = head.byteLength + bytes + count * TAG_BYTES;
    if ((await readAt(buffers[0]!.subarray(0, 1), end)) !== 0)
      throw malformed("the file is longer than it says");
    if (!hash.digest().equals(fromHex(sha256)))
      throw unreadable("the weights are not those that the head names");
    return weights;
  } catch (error) {
    await next.catch(() => undefined);
    weights.fill(0);
    throw error;
  }
}

function openSegment(
  contentKey: Uint8Array,
  headDigest: Uint8Array,
  { index, last, sealed }: { index: number; last: boolean; sealed: Uint8Array },
  target: Uint8Array,
): void {
  const decipher = createDecipheriv("aes-256-gcm", contentKey, nonce(index, last));
  decipher.setAAD(headDigest);
  decipher.setAuthTag(sealed.subarray(target.length));
  target.set(decipher.update(sealed.subarray(0, target.length)));
  try {
    decipher.final();
  } catch (cause) {
    throw unreadable(`segment ${index} does not open`, cause);
  }
}

function unreadable(message: string, cause?: unknown): ModelError {
  return new ModelError("sealed_weights_unreadable", message, { cause });
}
