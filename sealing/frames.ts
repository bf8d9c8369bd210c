/** The frames of EHBP bodies (EHBP section 4.3): length of the ciphertext (u32 big-endian) ‖ ciphertext with its tag. */
import { SealingError } from "./error.ts";
import { AEAD_TAG_BYTES } from "./suite.ts";

export const FRAME_HEADER_BYTES = 4;

export function frameHeader(ciphertextBytes: number): Uint8Array {
  const header = new Uint8Array(FRAME_HEADER_BYTES);
  new DataView(header.buffer).setUint32(0, ciphertextBytes);
  return header;
}

/** @returns 0 for an empty frame, which stands for nothing. @throws SealingError `sealed_frames_invalid` */
export function readFrameHeader(header: Uint8Array): number {
  const length = new DataView(header.buffer, header.byteOffset, FRAME_HEADER_BYTES).getUint32(0);
  if (length > 0 && length < AEAD_TAG_BYTES)
    throw new SealingError("sealed_frames_invalid", "a sealed chunk is shorter than its tag");
  return length;
}

/**
 * The ciphertexts of a whole body, as views.
 * @throws SealingError `sealed_frames_invalid`
 */
export function splitFrames(body: Uint8Array): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let offset = 0;
  while (offset < body.length) {
    const start = offset + FRAME_HEADER_BYTES;
    if (start > body.length) throw new SealingError("sealed_frames_invalid", "the sealed body is cut off");
    const length = readFrameHeader(body.subarray(offset, start));
    offset = start + length;
    if (offset > body.length) throw new SealingError("sealed_frames_invalid", "the sealed body is cut off");
    if (length > 0) chunks.push(body.subarray(start, offset));
  }
  return chunks;
}
