/**
 * SHA-256 and Keccak-256 of short messages, by hash-wasm: OpenSSL's set-up costs more than such a hash, and Node has no
 * Keccak-256. Each instance is used from one synchronous call at a time, and forgets its last message.
 */
import { createKeccak, createSHA256, type IHasher } from "hash-wasm";

export const BLOCK_BYTES = 64;
const HASH_BYTES = 32;
const WIPE = new Uint8Array(BLOCK_BYTES);

const [sha, keccak] = await Promise.all([createSHA256(), createKeccak(256)]);

function run(hasher: IHasher, parts: readonly Uint8Array[]): Uint8Array {
  hasher.init();
  for (const part of parts) hasher.update(part);
  return hasher.digest("binary");
}

/** 32 bytes over the parts, one after the other. */
export function shortSha256(parts: readonly Uint8Array[]): Uint8Array {
  return run(sha, parts);
}

/** Keccak-256 with Ethereum's padding: 32 bytes. */
export function keccak256(bytes: Uint8Array): Uint8Array {
  return run(keccak, [bytes]);
}

/** A key's two pads, each before room for what is hashed after it: one update costs less than two. */
export interface HmacPads {
  /** 64 bytes and room for the longest message. */
  inner: Uint8Array;
  /** 64 bytes and room for a digest. */
  outer: Uint8Array;
}

/** @param key at most one block, 64 bytes */
export function hmacPads(key: Uint8Array, maxMessageBytes: number): HmacPads {
  const pads = {
    inner: new Uint8Array(BLOCK_BYTES + maxMessageBytes).fill(0x36, 0, BLOCK_BYTES),
    outer: new Uint8Array(BLOCK_BYTES + HASH_BYTES).fill(0x5c, 0, BLOCK_BYTES),
  };
  for (let i = 0; i < key.length; i++) {
    pads.inner[i]! ^= key[i]!;
    pads.outer[i]! ^= key[i]!;
  }
  return pads;
}

/** HMAC-SHA-256 (RFC 2104) of the first `messageBytes` bytes after the inner pad. */
export function paddedHmacSha256({ inner, outer }: HmacPads, messageBytes: number): Uint8Array {
  sha.init();
  sha.update(inner.subarray(0, BLOCK_BYTES + messageBytes));
  outer.set(sha.digest("binary"), BLOCK_BYTES);
  sha.init();
  sha.update(outer);
  const tag = sha.digest("binary");
  // What a key left in the module's memory is written over.
  sha.init();
  sha.update(WIPE);
  return tag;
}

/** HMAC-SHA-256 (RFC 2104) under a key of at most one block, 64 bytes. */
export function shortHmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array {
  const pads = hmacPads(key, message.length);
  pads.inner.set(message, BLOCK_BYTES);
  const tag = paddedHmacSha256(pads, message.length);
  pads.inner.fill(0, 0, BLOCK_BYTES);
  pads.outer.fill(0, 0, BLOCK_BYTES);
  return tag;
}
