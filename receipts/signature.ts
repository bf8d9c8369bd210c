/** Recoverable secp256k1 signatures: 65 bytes, r (32) ‖ s (32) ‖ v (1), big-endian, s low (EIP-2), v 27 or 28. */
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { keccak256 } from "../codec/index.ts";
import { ReceiptError } from "./error.ts";

const HALF_ORDER = secp256k1.Point.Fn.ORDER / 2n;

function readScalar(bytes: Uint8Array, offset: number): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset + offset, 32);
  let value = 0n;
  for (let i = 0; i < 4; i++) value = (value << 64n) | view.getBigUint64(8 * i);
  return value;
}

function checkSignature(signature65: Uint8Array): { r: bigint; s: bigint; recovery: number } {
  if (signature65.length !== 65) throw new ReceiptError("signature_invalid", "a signature is 65 bytes");
  const v = signature65[64]!;
  if (v !== 27 && v !== 28) throw new ReceiptError("signature_invalid", "v is neither 27 nor 28");
  const r = readScalar(signature65, 0);
  const s = readScalar(signature65, 32);
  const order = secp256k1.Point.Fn.ORDER;
  if (r === 0n || r >= order || s === 0n || s >= order) {
    throw new ReceiptError("signature_invalid", "r or s is not below the group order or is zero");
  }
  if (s > HALF_ORDER) throw new ReceiptError("signature_high_s", "s is in the upper half of the group order");
  return { r, s, recovery: v - 27 };
}

/**
 * Puts r ‖ s (64 bytes) and a recovery bit in the 65-byte form.
 * @throws ReceiptError `signature_invalid`, `signature_high_s`
 */
export function packSignature(compact64: Uint8Array, recovery: number): Uint8Array {
  if (compact64.length !== 64) throw new ReceiptError("signature_invalid", "r ‖ s is 64 bytes");
  const packed = new Uint8Array(65);
  packed.set(compact64);
  packed[64] = 27 + recovery;
  checkSignature(packed);
  return packed;
}

/**
 * The Ethereum address, 20 bytes, of a public key in 33-byte or 65-byte form.
 * @throws ReceiptError `signature_invalid` where the bytes are no point of the curve
 */
export function addressOf(publicKey: Uint8Array): Uint8Array {
  let point: Uint8Array;
  try {
    point = secp256k1.Point.fromBytes(publicKey).toBytes(false);
  } catch (cause) {
    throw new ReceiptError("signature_invalid", "not a secp256k1 public key", { cause });
  }
  return keccak256(point.subarray(1)).slice(12);
}

/**
 * Who signed a digest: the 20-byte address, never a refusal of a well-formed signature by somebody else. Compare it.
 * @throws ReceiptError `signature_invalid` (form, or no such point), `signature_high_s`
 */
export function recoverSigner(digest32: Uint8Array, signature65: Uint8Array): Uint8Array {
  if (digest32.length !== 32) throw new ReceiptError("signature_invalid", "a digest is 32 bytes");
  const { r, s, recovery } = checkSignature(signature65);
  let point: Uint8Array;
  try {
    point = new secp256k1.Signature(r, s, recovery).recoverPublicKey(digest32).toBytes(false);
  } catch (cause) {
    throw new ReceiptError("signature_invalid", "no public key fits this signature", { cause });
  }
  return keccak256(point.subarray(1)).slice(12);
}
