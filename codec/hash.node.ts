/** Synchronous hashes, in Node: SHA-2 and HMAC by OpenSSL, Keccak by @noble/hashes. Same exports as `hash.browser.ts`. */
import { createHmac, hash, hkdfSync } from "node:crypto";
import { keccak_256 } from "@noble/hashes/sha3.js";

function digest(algorithm: string, parts: Uint8Array[]): Uint8Array {
  const only = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  return new Uint8Array(hash(algorithm, only, "buffer"));
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

/** Keccak-256 with Ethereum's padding: 32 bytes. */
export function keccak256(bytes: Uint8Array): Uint8Array {
  return keccak_256(bytes);
}

/** HMAC-SHA-256 (RFC 2104): 32 bytes. */
export function hmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array {
  return new Uint8Array(createHmac("sha256", key).update(message).digest());
}

/** HKDF-SHA-256 (RFC 5869) with an empty salt. */
export function hkdfSha256(ikm: Uint8Array, info: Uint8Array, byteLength: number): Uint8Array {
  return new Uint8Array(hkdfSync("sha256", ikm, new Uint8Array(0), info, byteLength));
}
