/** Signature verification in browsers, by @noble/curves and BigInt. Same exports as `p256.node.ts`. */
import { p256, p384 } from "@noble/curves/nist.js";
import { concat, equal, fromHex, sha256, sha384 } from "../../codec/index.ts";
import { DerReader, TAG } from "./der.ts";
import type { Curve } from "./spki.ts";

/**
 * ECDSA over P-256 with SHA-256 or P-384 with SHA-384 (FIPS 186-5); any s is accepted.
 * @param point uncompressed: 0x04 ‖ x ‖ y, 65 or 97 bytes
 * @param signature r ‖ s, big-endian, 64 or 96 bytes
 * @returns false for a bad signature, a point off the curve and wrong lengths alike
 */
export function verifyEcdsa(
  curve: Curve,
  point: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  const byteLength = curve === "p256" ? 32 : 48;
  if (point.length !== 2 * byteLength + 1 || point[0] !== 4 || signature.length !== 2 * byteLength)
    return false;
  try {
    return (curve === "p256" ? p256 : p384).verify(signature, message, point, {
      lowS: false,
      format: "compact",
    });
  } catch {
    return false;
  }
}

const HASH_BYTES = 48;
const SALT_BYTES = 48;

function toBigInt(bytes: Uint8Array): bigint {
  let hex = "0";
  for (const byte of bytes) hex += byte.toString(16).padStart(2, "0");
  return BigInt(`0x${hex}`);
}

function toBytes(value: bigint, byteLength: number): Uint8Array {
  const hex = value.toString(16).padStart(byteLength * 2, "0");
  return Uint8Array.from({ length: byteLength }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16));
}

function power(base: bigint, exponent: number, modulus: bigint): bigint {
  let result = 1n;
  let square = base;
  for (let left = exponent; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) result = (result * square) % modulus;
    square = (square * square) % modulus;
  }
  return result;
}

function mgf1(seed: Uint8Array, byteLength: number): Uint8Array {
  const mask = new Uint8Array(Math.ceil(byteLength / HASH_BYTES) * HASH_BYTES);
  for (let i = 0; i * HASH_BYTES < byteLength; i++) {
    mask.set(sha384(seed, new Uint8Array([0, 0, 0, i])), i * HASH_BYTES);
  }
  return mask.subarray(0, byteLength);
}

/** EMSA-PSS-VERIFY (RFC 8017 section 9.1.2); the modulus' bit length is a multiple of 8, so emBits = 8 emLen - 1. */
function emsaPssVerify(message: Uint8Array, encoded: Uint8Array): boolean {
  const dbBytes = encoded.length - HASH_BYTES - 1;
  if (dbBytes < SALT_BYTES + 1 || encoded[encoded.length - 1] !== 0xbc || encoded[0]! >= 0x80) return false;
  const hash = encoded.subarray(dbBytes, dbBytes + HASH_BYTES);
  const db = mgf1(hash, dbBytes).map((byte, i) => byte ^ encoded[i]!);
  db[0]! &= 0x7f;
  const saltStart = dbBytes - SALT_BYTES;
  for (let i = 0; i < saltStart - 1; i++) if (db[i] !== 0) return false;
  if (db[saltStart - 1] !== 1) return false;
  const expected = sha384(concat(new Uint8Array(8), sha384(message), db.subarray(saltStart)));
  return equal(expected, hash);
}

function readRsaKey(spki: Uint8Array): { modulus: Uint8Array; exponent: number } {
  const outer = new DerReader(spki).enter();
  outer.enter();
  const key = new DerReader(outer.wholeBits()).enter(TAG.sequence);
  const modulus = key.integer();
  const exponent = key.smallInteger();
  key.finish();
  return { modulus: modulus[0] === 0 ? modulus.subarray(1) : modulus, exponent };
}

/** The signature's block, as long as the modulus: s^e mod n; undefined for a key or signature out of bounds. */
function rsaBlock(spki: Uint8Array, signature: Uint8Array): Uint8Array | undefined {
  const { modulus, exponent } = readRsaKey(spki);
  const byteLength = modulus.length;
  if (byteLength < 256 || byteLength > 512 || modulus[0]! < 0x80 || signature.length !== byteLength)
    return undefined;
  if (exponent < 3 || exponent % 2 === 0) return undefined;
  const n = toBigInt(modulus);
  const s = toBigInt(signature);
  return s >= n ? undefined : toBytes(power(s, exponent, n), byteLength);
}

/**
 * RSASSA-PSS (RFC 8017 section 8.1.2) with SHA-384, MGF1 with SHA-384 and a salt of 48 bytes.
 * @param spki SubjectPublicKeyInfo, DER, of a key of 2048 to 4096 bits
 * @returns false for a bad signature or key alike
 */
export function verifyRsaPssSha384(spki: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    const block = rsaBlock(spki, signature);
    return block !== undefined && emsaPssVerify(message, block);
  } catch {
    return false;
  }
}

/** DigestInfo of SHA-256 up to the digest (RFC 8017 section 9.2, note 1). */
const SHA256_DIGEST_INFO = fromHex("3031300d060960864801650304020105000420");

/**
 * RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2.2) with SHA-256.
 * @param spki SubjectPublicKeyInfo, DER, of a key of 2048 to 4096 bits
 * @returns false for a bad signature or key alike
 */
export function verifyRsaPkcs1Sha256(spki: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  try {
    const block = rsaBlock(spki, signature);
    if (block === undefined) return false;
    const tail = concat(Uint8Array.of(0), SHA256_DIGEST_INFO, sha256(message));
    const padding = new Uint8Array(block.length - 2 - tail.length).fill(0xff);
    return equal(block, concat(Uint8Array.of(0, 1), padding, tail));
  } catch {
    return false;
  }
}
