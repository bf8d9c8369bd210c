/**
 * Ed25519 as AIR v1 wants it verified (draft-tsyrulnikov-rats-attested-inference-receipt-02 section 8.2): stricter than
 * RFC 8032 section 5.1.7, so that a signature has one form. Libraries differ here: many check the cofactored equation.
 */
import { ed25519 } from "@noble/curves/ed25519.js";
import { concat, sha512 } from "../../codec/index.ts";

const { Point } = ed25519;
const ORDER = Point.Fn.ORDER;

function littleEndian(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/**
 * S below the group order; R and A on the curve (their y need not be reduced) and of no small order; and
 * [S]B = R + [SHA-512(R ‖ A ‖ M)]A without clearing the cofactor.
 * @param signature 64 bytes R ‖ S
 * @param publicKey 32 bytes A
 */
export function verifyEd25519Strictly(
  signature: Uint8Array,
  message: Uint8Array,
  publicKey: Uint8Array,
): boolean {
  if (signature.length !== 64 || publicKey.length !== 32) return false;
  const encodedR = signature.subarray(0, 32);
  const s = littleEndian(signature.subarray(32));
  if (s >= ORDER) return false;
  let r, a;
  try {
    r = Point.fromBytes(encodedR, true);
    a = Point.fromBytes(publicKey, true);
  } catch {
    return false;
  }
  if (r.isSmallOrder() || a.isSmallOrder()) return false;
  const k = littleEndian(sha512(concat(encodedR, publicKey, message))) % ORDER;
  // Scalars of zero are legal here, and the library's fast multiplications are for others alone.
  const left = s === 0n ? Point.ZERO : Point.BASE.multiplyUnsafe(s);
  const right = k === 0n ? r : r.add(a.multiplyUnsafe(k));
  return left.equals(right);
}
