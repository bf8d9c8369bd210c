/** Synchronous hashes, in browsers, by @noble/hashes. Same exports as `hash.node.ts`. */
import { expand, extract, hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import * as sha2 from "@noble/hashes/sha2.js";
import { keccak_256 } from "@noble/hashes/sha3.js";
import { concat } from "./bytes.ts";

/** SHA-256 (FIPS 180-4) of the concatenated parts: 32 bytes. */
export function sha256(...parts: Uint8Array[]): Uint8Array {
  return sha2.sha256(concat(...parts));
}

/** SHA-384 (FIPS 180-4) of the concatenated parts: 48 bytes. */
export function sha384(...parts: Uint8Array[]): Uint8Array {
  return sha2.sha384(concat(...parts));
}

/** SHA-512 (FIPS 180-4) of the concatenated parts: 64 bytes. */
export function sha512(...parts: Uint8Array[]): Uint8Array {
  return sha2.sha512(concat(...parts));
}

/** Keccak-256 with Ethereum's padding: 32 bytes. */
export function keccak256(bytes: Uint8Array): Uint8Array {
  return keccak_256(bytes);
}

/** HMAC-SHA-256 (RFC 2104): 32 bytes. */
export function hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array {
  return hmac(sha2.sha256, key, message);
}

/** HKDF-Extract with SHA-256 (RFC 5869 section 2.2) and an empty salt: 32 bytes. */
export function hkdfExtractSha256(ikm: Uint8Array): Uint8Array {
  return extract(sha2.sha256, ikm);
}

/** HKDF-Expand with SHA-256 (RFC 5869 section 2.3): at most 8,160 bytes. */
export function hkdfExpandSha256(prk: Uint8Array, info: Uint8Array, byteLength: number): Uint8Array {
  return expand(sha2.sha256, prk, info, byteLength);
}

/**
 * HKDF-Expand with SHA-256 to 32 bytes, several times under one pseudorandom key of 32 bytes; `info` takes at most 64
 * bytes.
 */
export function hkdfExpander(prk32: Uint8Array): (info: Uint8Array) => Uint8Array {
  return (info) => {
    if (info.length > 64) throw new RangeError("an info is at most 64 bytes");
    return expand(sha2.sha256, prk32, info, 32);
  };
}

/** HKDF-SHA-256 (RFC 5869) with an empty salt. */
export function hkdfSha256(ikm: Uint8Array, info: Uint8Array, byteLength: number): Uint8Array {
  return hkdf(sha2.sha256, ikm, undefined, info, byteLength);
}
