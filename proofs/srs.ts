/**
 * The structured reference string (SRS), powers of a secret that nobody may know, as halo2 writes it: k as u32 little-endian,
 * 2^k points of G1, 2^k points of G1 in Lagrange form, two points of G2; 64 bytes a point of G1, 128 of G2. A verifier needs
 * the first point of each list and the two of G2 alone: the same bytes with k = 0. Browser-safe.
 */
import { concat } from "../codec/index.ts";
import { ProofError } from "./error.ts";

const G1_BYTES = 64;
const G2_BYTES = 128;
const MAX_LOGROWS = 28;

export const VERIFYING_SRS_BYTES: number = 4 + 2 * G1_BYTES + 2 * G2_BYTES;

/** @throws ProofError `circuit_invalid` where the length is not that of its k */
export function srsLogrows(head: Uint8Array, byteLength: number): number {
  const logrows = head.length < 4 ? -1 : new DataView(head.buffer, head.byteOffset, 4).getUint32(0, true);
  const wanted = 4 + 2 ** (logrows + 1) * G1_BYTES + 2 * G2_BYTES;
  if (logrows < 0 || logrows > MAX_LOGROWS || byteLength !== wanted)
    throw new ProofError("circuit_invalid", "the file is not an SRS as halo2 writes it");
  return logrows;
}

/**
 * The verifying part of a whole SRS: the same for every size of one SRS.
 * @throws ProofError `circuit_invalid`
 */
export function verifyingSrs(srs: Uint8Array): Uint8Array {
  const logrows = srsLogrows(srs, srs.length);
  return concat(
    new Uint8Array(4),
    srs.subarray(4, 4 + G1_BYTES),
    // With one row the Lagrange form is the point itself.
    srs.subarray(4, 4 + G1_BYTES),
    srs.subarray(4 + 2 ** (logrows + 1) * G1_BYTES),
  );
}
