/**
 * How much of its hourly limits the vault has set aside, on disk beside the cluster keys: `magic (8) ‖ version u32 ‖ hour u64 ‖ wei (32) ‖
 * count u16 ‖ (operation u8 ‖ set aside u64) of each, rising ‖ SHA-256 of the rest (32)`, integers little-endian but wei.
 */
import { concat, equal, fromHex, sha256, toHex, utf8 } from "../../codec/index.ts";
import { VaultError } from "../error.ts";

export interface UsedLimits {
  /** Hours since 1970 of the vault's clock. */
  hour: number;
  /** Of signed transactions, in that hour. */
  wei: bigint;
  /** By the operation's number: what may have been used in that hour. */
  operations: ReadonlyMap<number, number>;
}

const MAGIC = utf8("AFFUSED\0");
const VERSION = 1;
const FIXED_BYTES = 54;
const ENTRY_BYTES = 9;
export const USED_LIMITS_BYTES: number = FIXED_BYTES + 256 * ENTRY_BYTES + 32;

export function encodeUsedLimits({ hour, wei, operations }: UsedLimits): Uint8Array {
  const head = Buffer.alloc(12);
  head.writeUInt32LE(VERSION, 0);
  head.writeBigUInt64LE(BigInt(hour), 4);
  const rows = [...operations].toSorted(([a], [b]) => a - b);
  const count = Buffer.alloc(2);
  count.writeUInt16LE(rows.length);
  const entries = rows.map(([kind, used]) => {
    const entry = Buffer.alloc(ENTRY_BYTES);
    entry[0] = kind;
    entry.writeBigUInt64LE(BigInt(used), 1);
    return entry;
  });
  const body = concat(MAGIC, head, fromHex(wei.toString(16).padStart(64, "0"), 32), count, ...entries);
  return concat(body, sha256(body));
}

/** @throws VaultError `limits_state_invalid` */
export function parseUsedLimits(file: Buffer): UsedLimits {
  const body = file.subarray(0, Math.max(0, file.length - 32));
  const intact = body.length >= FIXED_BYTES && equal(sha256(body), file.subarray(body.length));
  if (!intact || !equal(body.subarray(0, 8), MAGIC) || body.readUInt32LE(8) !== VERSION) invalid();
  const count = body.readUInt16LE(52);
  if (body.length !== FIXED_BYTES + count * ENTRY_BYTES) invalid();
  const operations = new Map<number, number>();
  for (let at = FIXED_BYTES; at < body.length; at += ENTRY_BYTES) {
    operations.set(body[at]!, Number(body.readBigUInt64LE(at + 1)));
  }
  return {
    hour: Number(body.readBigUInt64LE(12)),
    wei: BigInt(`0x${toHex(body.subarray(20, 52))}`),
    operations,
  };
}

function invalid(): never {
  throw new VaultError("limits_state_invalid");
}
