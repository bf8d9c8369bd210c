/**
 * SHA-256 and Keccak-256 of short messages, by hash-wasm: OpenSSL's set-up costs more than such a hash, and Node has no
 * Keccak-256. Each instance is used from one synchronous call at a time, and forgets its last message.
 */
import { createKeccak, createSHA256, type IHasher } from "hash-wasm";

const BLOCK_BYTES = 64;
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

/** HMAC-SHA-256 (RFC 2104) under a key of at most one block, 64 bytes. */
export function shortHmacSha256(key: Uint8Array, message: Uint8Array): Uint8Array {
  const pad = new Uint8Array(BLOCK_BYTES).fill(0x36);
  for (let i = 0; i < key.length; i++) pad[i]! ^= key[i]!;
  const inner = run(sha, [pad, message]);
  for (let i = 0; i < BLOCK_BYTES; i++) pad[i]! ^= 0x36 ^ 0x5c;
  const tag = run(sha, [pad, inner]);
  pad.fill(0);
  // What a key left in the module's memory is written over.
  sha.init();
  sha.update(WIPE);
  return tag;
}
