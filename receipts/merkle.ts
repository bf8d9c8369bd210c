/**
 * The Merkle tree of RFC 9162 section 2.1 over SHA-256: leaf hash sha256(0x00 ‖ data), node hash sha256(0x01 ‖ left ‖ right),
 * the empty tree's root sha256(""). Sizes and indices are bigints; a node is named by its level (0 = leaf hashes) and
 * its index in that level, and exists only over a complete subtree of 2^level leaves.
 */
import { sha256 } from "../codec/index.ts";
import { ReceiptError } from "./error.ts";

export const EMPTY_ROOT = sha256(new Uint8Array(0));
/** Sizes from 0 to 2^63 - 1: what PostgreSQL's bigint holds. */
export const MAX_TREE_SIZE = 2n ** 63n - 1n;

const LEAF_PREFIX = Uint8Array.of(0);
const NODE_PREFIX = Uint8Array.of(1);

/** sha256(0x00 ‖ data): 32 bytes. */
export function leafHash(data: Uint8Array): Uint8Array {
  return sha256(LEAF_PREFIX, data);
}

/** sha256(0x01 ‖ left ‖ right): 32 bytes. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array {
  return sha256(NODE_PREFIX, left, right);
}

export interface NodeId {
  level: number;
  index: bigint;
}

/** The hash of a complete subtree: leaves index·2^level to (index+1)·2^level. */
export type NodeGetter = (level: number, index: bigint) => Uint8Array;

/** Leaves from `start` to before `end`, as one hash of a proof; `start` is a multiple of the power of two that spans them. */
export interface LeafRange {
  start: bigint;
  end: bigint;
}

/** The error of an index or a size outside the tree. */
export function position(message: string): ReceiptError {
  return new ReceiptError("tree_position_invalid", message);
}

/** @throws ReceiptError `tree_position_invalid` */
export function checkSize(size: bigint): void {
  if (size < 0n || size > MAX_TREE_SIZE) throw position("a tree size is from 0 to 2^63 - 1");
}

function bitLength(value: bigint): number {
  return value === 0n ? 0 : value.toString(2).length;
}

/** The largest power of two strictly below `size`, for a size of at least 2. */
function splitPoint(size: bigint): bigint {
  return 1n << BigInt(bitLength(size - 1n) - 1);
}

/** The complete subtrees that make up a range, from left to right: what a store must be asked for. */
export function rangeNodes({ start, end }: LeafRange): NodeId[] {
  const nodes: NodeId[] = [];
  let first = start;
  while (first < end) {
    const level = bitLength(end - first) - 1;
    nodes.push({ level, index: first >> BigInt(level) });
    first += 1n << BigInt(level);
  }
  return nodes;
}

/** The root over complete subtrees from left (largest) to right. */
export function foldPeaks(peaks: readonly Uint8Array[]): Uint8Array {
  if (peaks.length === 0) return EMPTY_ROOT;
  return peaks.reduceRight((right, left) => nodeHash(left, right));
}

function rangeHash(range: LeafRange, node: NodeGetter): Uint8Array {
  return foldPeaks(rangeNodes(range).map(({ level, index }) => node(level, index)));
}

/** The root of the first `size` leaves. @throws ReceiptError `tree_position_invalid` */
export function treeRoot(size: bigint, node: NodeGetter): Uint8Array {
  checkSize(size);
  return rangeHash({ start: 0n, end: size }, node);
}

/**
 * The ranges whose hashes are an inclusion proof (RFC 9162 section 2.1.3.1), from the leaf's sibling up.
 * @throws ReceiptError `tree_position_invalid`
 */
export function planInclusion(index: bigint, size: bigint): LeafRange[] {
  checkSize(size);
  if (index < 0n || index >= size) throw position("the index is not below the size");
  const ranges: LeafRange[] = [];
  let start = 0n;
  let end = size;
  while (end - start > 1n) {
    const middle = start + splitPoint(end - start);
    if (index < middle) {
      ranges.push({ start: middle, end });
      end = middle;
    } else {
      ranges.push({ start, end: middle });
      start = middle;
    }
  }
  return ranges.toReversed();
}

/**
 * The ranges whose hashes are a consistency proof (RFC 9162 section 2.1.4.1); none where first is 0 or equals second.
 * @throws ReceiptError `tree_position_invalid`
 */
export function planConsistency(first: bigint, second: bigint): LeafRange[] {
  checkSize(second);
  if (first < 0n || first > second) throw position("the first size is above the second");
  if (first === 0n || first === second) return [];
  const ranges: LeafRange[] = [];
  let start = 0n;
  let end = second;
  while (first !== end) {
    const middle = start + splitPoint(end - start);
    if (first <= middle) {
      ranges.push({ start: middle, end });
      end = middle;
    } else {
      ranges.push({ start, end: middle });
      start = middle;
    }
  }
  if (start > 0n) ranges.push({ start, end });
  return ranges.toReversed();
}

/** @throws ReceiptError `tree_position_invalid` */
export function inclusionProof(index: bigint, size: bigint, node: NodeGetter): Uint8Array[] {
  return planInclusion(index, size).map((range) => rangeHash(range, node));
}

/** @throws ReceiptError `tree_position_invalid` */
export function consistencyProof(first: bigint, second: bigint, node: NodeGetter): Uint8Array[] {
  return planConsistency(first, second).map((range) => rangeHash(range, node));
}
