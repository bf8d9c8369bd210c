/**
 * The cluster keys and the file that holds them:
 * `magic (8) ‖ version u32 ‖ epoch u32 ‖ log seed (32) ‖ storage key (32) ‖ HPKE X25519 key (32) ‖ chain key (32) ‖
 * FHE seed (32) ‖ SHA-256 of the rest (32)`, integers little-endian. Version 1 ended with the HPKE key.
 */
import { randomBytes } from "node:crypto";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { concat, equal, sha256, utf8 } from "../../codec/index.ts";
import { VaultError } from "../error.ts";

export interface ClusterKeys {
  epoch: number;
  /** Ed25519 seed of the log key. */
  logSeed: Uint8Array;
  storageKey: Uint8Array;
  /** Sealed requests are sealed to it: X25519. */
  hpkeKey: Uint8Array;
  /** Of the transactions that this installation pays for: secp256k1. */
  chainKey: Uint8Array;
  /** Reserved: what the FHE client key is generated from. */
  fheSeed: Uint8Array;
}

const MAGIC = utf8("AFFKEYS\0");
const VERSION = 2;
const KEYS = 5;
const KEYS_OF_VERSION_1 = 3;
const HASH_BYTES = 32;

const bodyBytes = (keys: number): number => 16 + 32 * keys;

export const KEY_FILE_BYTES = bodyBytes(KEYS) + HASH_BYTES;

export function drawClusterKeys(): ClusterKeys {
  return {
    epoch: 1,
    logSeed: drawKey(),
    storageKey: drawKey(),
    hpkeKey: drawKey(),
    chainKey: drawChainKey(),
    fheSeed: drawKey(),
  };
}

function drawKey(): Uint8Array {
  return new Uint8Array(randomBytes(32));
}

function drawChainKey(): Uint8Array {
  return secp256k1.utils.randomSecretKey(randomBytes(48));
}

export function encodeClusterKeys(keys: ClusterKeys): Uint8Array {
  const numbers = Buffer.alloc(8);
  numbers.writeUInt32LE(VERSION, 0);
  numbers.writeUInt32LE(keys.epoch, 4);
  const { logSeed, storageKey, hpkeKey, chainKey, fheSeed } = keys;
  const body = concat(MAGIC, numbers, logSeed, storageKey, hpkeKey, chainKey, fheSeed);
  return concat(body, sha256(body));
}

/**
 * @returns the keys; `upgraded` where the file was of version 1, which lacked keys that were drawn just now
 * @throws VaultError `key_file_invalid`
 */
export function parseClusterKeys(file: Buffer): { keys: ClusterKeys; upgraded: boolean } {
  const upgraded = file.length === bodyBytes(KEYS_OF_VERSION_1) + HASH_BYTES;
  const body = file.subarray(0, bodyBytes(upgraded ? KEYS_OF_VERSION_1 : KEYS));
  if (file.length !== body.length + HASH_BYTES) throw new VaultError("key_file_invalid");
  const intact = equal(sha256(body), file.subarray(body.length));
  const known = equal(file.subarray(0, 8), MAGIC) && file.readUInt32LE(8) === (upgraded ? 1 : VERSION);
  const epoch = file.readUInt32LE(12);
  if (!intact || !known || epoch === 0) throw new VaultError("key_file_invalid");
  const key = (index: number) => new Uint8Array(file.subarray(16 + 32 * index, 48 + 32 * index));
  const keys = {
    epoch,
    logSeed: key(0),
    storageKey: key(1),
    hpkeKey: key(2),
    chainKey: upgraded ? drawChainKey() : key(3),
    fheSeed: upgraded ? drawKey() : key(4),
  };
  if (!secp256k1.utils.isValidSecretKey(keys.chainKey)) throw new VaultError("key_file_invalid");
  return { keys, upgraded };
}
