/**
 * What the log key signed last, kept beside the cluster keys:
 * `magic (8) ‖ version u32 ‖ signed u8 ‖ log public key (32) ‖ SHA-256 of the origin (32) ‖ size u64 ‖ root (32) ‖
 * SHA-256 of the rest (32)`, integers little-endian; origin, size and root are zero until something was signed.
 */
import { concat, equal, sha256, utf8 } from "../../codec/index.ts";
import { VaultError } from "../error.ts";

export interface CheckpointState {
  logPublicKey: Uint8Array;
  /** Null for a log key that signed nothing yet. */
  last: { originDigest: Uint8Array; size: bigint; root: Uint8Array } | null;
}

const MAGIC = utf8("AFFCKPT\0");
const VERSION = 1;
const BODY_BYTES = 117;
export const CHECKPOINT_FILE_BYTES = BODY_BYTES + 32;

export function encodeCheckpointState(state: CheckpointState): Uint8Array {
  const head = Buffer.alloc(5);
  head.writeUInt32LE(VERSION, 0);
  head[4] = state.last ? 1 : 0;
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(state.last?.size ?? 0n);
  const zero = new Uint8Array(32);
  const { originDigest, root } = state.last ?? { originDigest: zero, root: zero };
  const body = concat(MAGIC, head, state.logPublicKey, originDigest, size, root);
  return concat(body, sha256(body));
}

/** @throws VaultError `checkpoint_state_invalid` */
export function parseCheckpointState(file: Buffer): CheckpointState {
  if (file.length !== CHECKPOINT_FILE_BYTES) throw new VaultError("checkpoint_state_invalid");
  const intact = equal(sha256(file.subarray(0, BODY_BYTES)), file.subarray(BODY_BYTES));
  const known = equal(file.subarray(0, 8), MAGIC) && file.readUInt32LE(8) === VERSION;
  const signed = file[12]!;
  if (!intact || !known || signed > 1) throw new VaultError("checkpoint_state_invalid");
  const part = (start: number) => new Uint8Array(file.subarray(start, start + 32));
  const last = { originDigest: part(45), size: file.readBigUInt64LE(77), root: part(85) };
  return { logPublicKey: part(13), last: signed === 1 ? last : null };
}
