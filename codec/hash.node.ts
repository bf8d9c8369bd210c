/**
 * Synchronous hashes, in Node: OpenSSL's, but for short messages and for Keccak, which are hash-wasm's. Same exports as
 * `hash.browser.ts`.
 */
import { createHash, createHmac, hash } from "node:crypto";
import { concat } from "./bytes.ts";
import { BLOCK_BYTES, hmacPads, paddedHmacSha256, shortHmacSha256, shortSha256 } from "./short-hash.node.ts";

export { keccak256 } from "./short-hash.node.ts";

/** Up to here the set-up of OpenSSL costs more than its speed gains. */
const SHORT_BYTES = 512;

/** From here on one more context costs less than joining the parts. */
const JOIN_BELOW_BYTES = 16 * 1024;
const HASH_BYTES = 32;
const LONGEST_SHORT_KEY_BYTES = 64;
const MAX_INFO_BYTES = 64;

function lengthOf(parts: readonly Uint8Array[]): number {
  let length = 0;
  for (const part of parts) length += part.length;
  return length;
}

function digest(algorithm: string, parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return new Uint8Array(hash(algorithm, parts[0]!, "buffer"));
  if (lengthOf(parts) < JOIN_BELOW_BYTES)
    return new Uint8Array(hash(algorithm, Buffer.concat(parts), "buffer"));
  const running = createHash(algorithm);
  for (const part of parts) running.update(part);
  return new Uint8Array(running.digest());
}

/** SHA-256 (FIPS 180-4) of the concatenated parts: 32 bytes. */
export function sha256(...parts: Uint8Array[]): Uint8Array {
  return lengthOf(parts) <= SHORT_BYTES ? shortSha256(parts) : digest("sha256", parts);
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
  if (key.length <= LONGEST_SHORT_KEY_BYTES && message.length <= SHORT_BYTES)
    return shortHmacSha256(key, message);
  return new Uint8Array(createHmac("sha256", key).update(message).digest());
}

/** HKDF-Extract with SHA-256 (RFC 5869 section 2.2) and an empty salt: 32 bytes. */
export function hkdfExtractSha256(ikm: Uint8Array): Uint8Array {
  return hmacSha256(new Uint8Array(HASH_BYTES), ikm);
}

/** HKDF-Expand with SHA-256 (RFC 5869 section 2.3): at most 8,160 bytes. */
export function hkdfExpandSha256(prk: Uint8Array, info: Uint8Array, byteLength: number): Uint8Array {
  if (byteLength > 255 * HASH_BYTES) throw new RangeError("HKDF gives at most 8,160 bytes");
  const output = new Uint8Array(byteLength);
  let previous: Uint8Array = new Uint8Array(0);
  for (let filled = 0, counter = 1; filled < byteLength; filled += HASH_BYTES, counter++) {
    previous = hmacSha256(prk, concat(previous, info, Uint8Array.of(counter)));
    output.set(previous.subarray(0, byteLength - filled), filled);
  }
  return output;
}

/**
 * HKDF-Expand with SHA-256 to 32 bytes, several times under one pseudorandom key of 32 bytes; `info` takes at most 64
 * bytes.
 */
export function hkdfExpander(prk32: Uint8Array): (info: Uint8Array) => Uint8Array {
  const pads = hmacPads(prk32, MAX_INFO_BYTES + 1);
  return (info) => {
    if (info.length > MAX_INFO_BYTES) throw new RangeError("an info is at most 64 bytes");
    pads.inner.set(info, BLOCK_BYTES);
    pads.inner[BLOCK_BYTES + info.length] = 1;
    return paddedHmacSha256(pads, info.length + 1);
  };
}

/** HKDF-SHA-256 (RFC 5869) with an empty salt. */
export function hkdfSha256(ikm: Uint8Array, info: Uint8Array, byteLength: number): Uint8Array {
  return hkdfExpandSha256(hkdfExtractSha256(ikm), info, byteLength);
}
