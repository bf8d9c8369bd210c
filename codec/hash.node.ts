/**
 * Synchronous hashes, in Node: SHA-2 by OpenSSL, Keccak by WebAssembly. Same exports as `hash.browser.ts`.
 *
 * HMAC and HKDF are made from one-shot hashes: OpenSSL's own set up a context and fetch an algorithm at each call, which
 * costs some five times as much on messages of a few dozen bytes.
 */
import { createHash, hash } from "node:crypto";
import { keccak256 } from "./keccak.node.ts";

export { keccak256 };

/** From here on one more context costs less than joining the parts. */
const JOIN_BELOW_BYTES = 16 * 1024;
const BLOCK_BYTES = 64;
const HASH_BYTES = 32;

function digest(algorithm: string, parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return new Uint8Array(hash(algorithm, parts[0]!, "buffer"));
  let length = 0;
  for (const part of parts) length += part.length;
  if (length < JOIN_BELOW_BYTES)
    return new Uint8Array(hash(algorithm, Buffer.concat(parts, length), "buffer"));
  const running = createHash(algorithm);
  for (const part of parts) running.update(part);
  return new Uint8Array(running.digest());
}

/** SHA-256 (FIPS 180-4) of the concatenated parts: 32 bytes. */
export function sha256(...parts: Uint8Array[]): Uint8Array {
  return digest("sha256", parts);
}

/** SHA-384 (FIPS 180-4) of the concatenated parts: 48 bytes. */
export function sha384(...parts: Uint8Array[]): Uint8Array {
  return digest("sha384", parts);
}

/** SHA-512 (FIPS 180-4) of the concatenated parts: 64 bytes. */
export function sha512(...parts: Uint8Array[]): Uint8Array {
  return digest("sha512", parts);
}

/** HMAC-SHA-256 (RFC 2104): 32 bytes. */
export function hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array {
  const short = key.length > BLOCK_BYTES ? sha256(key) : key;
  const inner = new Uint8Array(BLOCK_BYTES).fill(0x36);
  const outer = new Uint8Array(BLOCK_BYTES + HASH_BYTES).fill(0x5c, 0, BLOCK_BYTES);
  for (let i = 0; i < short.length; i++) {
    inner[i]! ^= short[i]!;
    outer[i]! ^= short[i]!;
  }
  outer.set(sha256(inner, message), BLOCK_BYTES);
  return sha256(outer);
}

/** HKDF-Extract with SHA-256 (RFC 5869 section 2.2) and an empty salt: 32 bytes. */
export function hkdfExtractSha256(ikm: Uint8Array): Uint8Array {
  return hmacSha256(new Uint8Array(HASH_BYTES), ikm);
}

/** HKDF-Expand with SHA-256 (RFC 5869 section 2.3): at most 8,160 bytes. */
export function hkdfExpandSha256(prk: Uint8Array, info: Uint8Array, byteLength: number): Uint8Array {
  if (byteLength > 255 * HASH_BYTES) throw new RangeError("HKDF gives at most 8,160 bytes");
  const output = new Uint8Array(byteLength);
  let previous = new Uint8Array(0);
  for (let filled = 0, counter = 1; filled < byteLength; filled += HASH_BYTES, counter++) {
    previous = new Uint8Array(hmacSha256(prk, Buffer.concat([previous, info, Uint8Array.of(counter)])));
    output.set(previous.subarray(0, byteLength - filled), filled);
  }
  return output;
}

/** HKDF-SHA-256 (RFC 5869) with an empty salt. */
export function hkdfSha256(ikm: Uint8Array, info: Uint8Array, byteLength: number): Uint8Array {
  return hkdfExpandSha256(hkdfExtractSha256(ikm), info, byteLength);
}
