/**
 * Leaf data of the log: `0x01 ‖ type u8 ‖ statement digest (32) ‖ keyset digest (32) ‖ signature (65)` = 131 bytes.
 * Fields never enter the log; the unguessable request id keeps a digest from being guessed.
 */
import { ReceiptError } from "./error.ts";
import { LEAF_TYPES } from "./fields.ts";

export type LeafType = keyof typeof LEAF_TYPES;

export const LEAF_BYTES = 131;
const LEAF_VERSION = 1;
const TYPE_NAMES = new Map<number, LeafType>(
  Object.entries(LEAF_TYPES).map(([name, number]) => [number, name as LeafType]),
);

export interface Leaf {
  type: LeafType;
  digest: Uint8Array;
  keysetDigest: Uint8Array;
  signature: Uint8Array;
}

/**
 * @param digest the signed EIP-712 digest, 32 bytes
 * @param keysetDigest 32 bytes
 * @param signature65 r ‖ s ‖ v
 * @throws ReceiptError `leaf_invalid`
 */
export function leafData(
  type: LeafType,
  digest: Uint8Array,
  keysetDigest: Uint8Array,
  signature65: Uint8Array,
): Uint8Array {
  if (!Object.hasOwn(LEAF_TYPES, type))
    throw new ReceiptError("leaf_invalid", "this statement is never appended");
  if (digest.length !== 32 || keysetDigest.length !== 32 || signature65.length !== 65) {
    throw new ReceiptError("leaf_invalid", "a leaf takes 32, 32 and 65 bytes");
  }
  const leaf = new Uint8Array(LEAF_BYTES);
  leaf[0] = LEAF_VERSION;
  leaf[1] = LEAF_TYPES[type];
  leaf.set(digest, 2);
  leaf.set(keysetDigest, 34);
  leaf.set(signature65, 66);
  return leaf;
}

/**
 * Leaf data to its parts. The signature is not verified.
 * @throws ReceiptError `leaf_invalid`
 */
export function parseLeafData(bytes: Uint8Array): Leaf {
  if (bytes.length !== LEAF_BYTES) throw new ReceiptError("leaf_invalid", `a leaf is ${LEAF_BYTES} bytes`);
  if (bytes[0] !== LEAF_VERSION) throw new ReceiptError("leaf_invalid", "unknown leaf version");
  const type = TYPE_NAMES.get(bytes[1]!);
  if (type === undefined) throw new ReceiptError("leaf_invalid", "unknown leaf type");
  return { type, digest: bytes.slice(2, 34), keysetDigest: bytes.slice(34, 66), signature: bytes.slice(66) };
}
