/**
 * The cluster keys and the file that holds them:
 * `magic (8) ‖ version u32 ‖ sealing keys u32 ‖ policy version u64 ‖ policy owner (32) ‖ log seed (32) ‖ storage key (32) ‖ chain key (32) ‖ FHE seed (32) ‖
 * (epoch u32 ‖ made u64, Unix ms ‖ X25519 key (32)) of each sealing key, the newest first ‖ SHA-256 of the rest (32)`,
 * integers little-endian. Older versions are read: `cluster-keys-old.ts`.
 */
import { randomBytes } from "node:crypto";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { equal, sha256, utf8 } from "../../codec/index.ts";
import { VaultError } from "../error.ts";
import { MAX_SEALING_KEYS } from "../wire/sealing.ts";
import { parseOldClusterKeys } from "./cluster-keys-old.ts";
import type { PolicyPin } from "./policy-pin.ts";
import { keepSecret } from "./secret-memory.ts";

/** What requests are sealed to, of one epoch. */
export interface SealingKey {
  /** From 1. */
  epoch: number;
  /** When it was made, by the vault's clock. */
  madeAtMs: number;
  /** X25519: 32 bytes. */
  secretKey: Uint8Array;
}

export interface ClusterKeys {
  /** Ed25519 seed of the log key. */
  logSeed: Uint8Array;
  storageKey: Uint8Array;
  /** Of the transactions that this installation pays for: secp256k1. */
  chainKey: Uint8Array;
  /** What the FHE client key is generated from. */
  fheSeed: Uint8Array;
  /** The newest first; at least one, at most 8. */
  sealingKeys: readonly SealingKey[];
  policy: PolicyPin;
}

const MAGIC = utf8("AFFKEYS\0");
const VERSION = 3;
const KEYS_AT = 16 + 8 + 32;
const FIXED_BYTES = KEYS_AT + 4 * 32;
const NOBODY = new Uint8Array(32);
const SEALING_KEY_BYTES = 44;
const HASH_BYTES = 32;

export const KEY_FILE_BYTES: number = FIXED_BYTES + MAX_SEALING_KEYS * SEALING_KEY_BYTES + HASH_BYTES;

export function drawClusterKeys(nowMs: number): ClusterKeys {
  return {
    logSeed: drawKey(),
    storageKey: drawKey(),
    chainKey: drawChainKey(),
    fheSeed: drawKey(),
    sealingKeys: [drawSealingKey(1, nowMs)],
    policy: { owner: null, version: 0 },
  };
}

export function drawSealingKey(epoch: number, nowMs: number): SealingKey {
  return { epoch, madeAtMs: nowMs, secretKey: drawKey() };
}

function drawKey(): Uint8Array {
  return keepSecret(randomBytes(32));
}

function drawChainKey(): Uint8Array {
  return keepSecret(secp256k1.utils.randomSecretKey(randomBytes(48)));
}

/** The file's content: whoever gets it wipes it. */
export function encodeClusterKeys(keys: ClusterKeys): Uint8Array {
  const { logSeed, storageKey, chainKey, fheSeed, sealingKeys, policy } = keys;
  // In place: what is put together from small pieces leaves each of them behind.
  const bodyBytes = FIXED_BYTES + sealingKeys.length * SEALING_KEY_BYTES;
  const file = Buffer.alloc(bodyBytes + HASH_BYTES);
  file.set(MAGIC, 0);
  file.writeUInt32LE(VERSION, 8);
  file.writeUInt32LE(sealingKeys.length, 12);
  file.writeBigUInt64LE(BigInt(policy.version), 16);
  file.set(policy.owner ?? NOBODY, 24);
  [logSeed, storageKey, chainKey, fheSeed].forEach((key, i) => file.set(key, KEYS_AT + 32 * i));
  sealingKeys.forEach(({ epoch, madeAtMs, secretKey }, i) => {
    const at = FIXED_BYTES + i * SEALING_KEY_BYTES;
    file.writeUInt32LE(epoch, at);
    file.writeBigUInt64LE(BigInt(madeAtMs), at + 4);
    file.set(secretKey, at + 12);
  });
  file.set(sha256(file.subarray(0, bodyBytes)), bodyBytes);
  return file;
}

/**
 * Its keys are wiped out of the file that is handed in.
 * @param nowMs when keys that the file lacks or does not date are said to be made
 * @returns the keys; `upgraded` where the file was of an older version
 * @throws VaultError `key_file_invalid`
 */
export function parseClusterKeys(file: Buffer, nowMs: number): { keys: ClusterKeys; upgraded: boolean } {
  const body = file.subarray(0, Math.max(0, file.length - HASH_BYTES));
  const intact = body.length >= 16 && equal(sha256(body), file.subarray(body.length));
  if (!intact || !equal(body.subarray(0, 8), MAGIC)) throw new VaultError("key_file_invalid");
  const version = body.readUInt32LE(8);
  const old = version < VERSION;
  const keys = old ? parseOldClusterKeys(body, nowMs, { drawKey, drawChainKey }) : parseBody(body, version);
  if (!secp256k1.utils.isValidSecretKey(keys.chainKey)) throw new VaultError("key_file_invalid");
  return { keys, upgraded: old };
}

function parseBody(body: Buffer, version: number): ClusterKeys {
  const count = body.readUInt32LE(12);
  const fits = count >= 1 && count <= MAX_SEALING_KEYS;
  if (version !== VERSION || !fits || body.length !== FIXED_BYTES + count * SEALING_KEY_BYTES)
    throw new VaultError("key_file_invalid");
  const key = (index: number) => keepSecret(body.subarray(KEYS_AT + 32 * index, KEYS_AT + 32 + 32 * index));
  const sealingKeys = Array.from({ length: count }, (_, i) =>
    parseSealingKey(body.subarray(FIXED_BYTES + i * SEALING_KEY_BYTES)),
  );
  const falling = sealingKeys.every(({ epoch }, i) => epoch > (sealingKeys[i + 1]?.epoch ?? 0));
  if (!falling) throw new VaultError("key_file_invalid");
  const owner = new Uint8Array(body.subarray(24, 56));
  const policy = {
    owner: equal(owner, NOBODY) ? null : owner,
    version: Number(body.readBigUInt64LE(16)),
  };
  return { logSeed: key(0), storageKey: key(1), chainKey: key(2), fheSeed: key(3), sealingKeys, policy };
}

function parseSealingKey(bytes: Buffer): SealingKey {
  const madeAtMs = Number(bytes.readBigUInt64LE(4));
  if (!Number.isSafeInteger(madeAtMs)) throw new VaultError("key_file_invalid");
  return { epoch: bytes.readUInt32LE(0), madeAtMs, secretKey: keepSecret(bytes.subarray(12, 44)) };
}
