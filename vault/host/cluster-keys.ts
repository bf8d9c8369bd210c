/**
 * The cluster keys and the file that holds them:
 * `magic (8) ‖ version u32 ‖ epoch u32 ‖ log seed (32) ‖ storage key (32) ‖ HPKE X25519 key (32) ‖ SHA-256 of the rest (32)`,
 * integers little-endian.
 */
import { randomBytes } from "node:crypto";
import { concat, equal, sha256, utf8 } from "../../codec/index.ts";
import { VaultError } from "../error.ts";

export interface ClusterKeys {
  epoch: number;
  /** Ed25519 seed of the log key. */
  logSeed: Uint8Array;
  storageKey: Uint8Array;
  /** Reserved for sealed requests. */
  hpkeKey: Uint8Array;
}

const MAGIC = utf8("AFFKEYS\0");
const VERSION = 1;
const BODY_BYTES = 112;
export const KEY_FILE_BYTES = BODY_BYTES + 32;

export function drawClusterKeys(): ClusterKeys {
  return { epoch: 1, logSeed: drawKey(), storageKey: drawKey(), hpkeKey: drawKey() };
}

function drawKey(): Uint8Array {
  return new Uint8Array(randomBytes(32));
}

export function encodeClusterKeys(keys: ClusterKeys): Uint8Array {
  const numbers = Buffer.alloc(8);
  numbers.writeUInt32LE(VERSION, 0);
  numbers.writeUInt32LE(keys.epoch, 4);
  const body = concat(MAGIC, numbers, keys.logSeed, keys.storageKey, keys.hpkeKey);
  return concat(body, sha256(body));
}

/** @throws VaultError `key_file_invalid` */
export function parseClusterKeys(file: Buffer): ClusterKeys {
  if (file.length !== KEY_FILE_BYTES) throw new VaultError("key_file_invalid");
  const intact = equal(sha256(file.subarray(0, BODY_BYTES)), file.subarray(BODY_BYTES));
  const known = equal(file.subarray(0, 8), MAGIC) && file.readUInt32LE(8) === VERSION;
  const epoch = file.readUInt32LE(12);
  if (!intact || !known || epoch === 0) throw new VaultError("key_file_invalid");
  const key = (index: number) => new Uint8Array(file.subarray(16 + 32 * index, 48 + 32 * index));
  return { epoch, logSeed: key(0), storageKey: key(1), hpkeKey: key(2) };
}
