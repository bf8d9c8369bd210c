/** A growing tree without its leaves. */
import { concat } from "../codec/index.ts";
import { ReceiptError } from "./error.ts";
import { MAX_TREE_SIZE, foldPeaks, nodeHash, rangeNodes } from "./merkle.ts";

/**
 * The right edge of a growing tree: one hash for each complete subtree, the largest first. Enough to append and to know
 * the root without the leaves. Encoded: u64 little-endian size ‖ 32 bytes a set bit of the size.
 */
export class CompactRange {
  #size: bigint;
  readonly #peaks: Uint8Array[];

  private constructor(size: bigint, peaks: Uint8Array[]) {
    this.#size = size;
    this.#peaks = peaks;
  }

  static empty(): CompactRange {
    return new CompactRange(0n, []);
  }

  /** @throws ReceiptError `range_invalid` */
  static decode(bytes: Uint8Array): CompactRange {
    if (bytes.length < 8)
      throw new ReceiptError("range_invalid", "a compact range starts with 8 bytes of size");
    const size = new DataView(bytes.buffer, bytes.byteOffset, 8).getBigUint64(0, true);
    if (size > MAX_TREE_SIZE) throw new ReceiptError("range_invalid", "the size is above 2^63 - 1");
    const peaks = rangeNodes({ start: 0n, end: size }).length;
    if (bytes.length !== 8 + 32 * peaks)
      throw new ReceiptError("range_invalid", "the length does not fit the size");
    return new CompactRange(
      size,
      Array.from({ length: peaks }, (_, i) => bytes.slice(8 + 32 * i, 40 + 32 * i)),
    );
  }

  encode(): Uint8Array {
    const size = new Uint8Array(8);
    new DataView(size.buffer).setBigUint64(0, this.#size, true);
    return concat(size, ...this.#peaks);
  }

  clone(): CompactRange {
    return new CompactRange(this.#size, [...this.#peaks]);
  }

  get size(): bigint {
    return this.#size;
  }

  /**
   * Adds a leaf hash. `onNode` gets every complete subtree that the leaf finishes, the leaf itself first: the rows a store keeps.
   * @throws ReceiptError `range_invalid`
   */
  append(leaf: Uint8Array, onNode?: (level: number, index: bigint, hash: Uint8Array) => void): void {
    if (leaf.length !== 32) throw new ReceiptError("range_invalid", "a leaf hash is 32 bytes");
    if (this.#size === MAX_TREE_SIZE) throw new ReceiptError("range_invalid", "the tree is full");
    let hash = leaf;
    let index = this.#size;
    let level = 0;
    onNode?.(level, index, hash);
    while ((index & 1n) === 1n) {
      hash = nodeHash(this.#peaks.pop()!, hash);
      index >>= 1n;
      level++;
      onNode?.(level, index, hash);
    }
    this.#peaks.push(hash);
    this.#size++;
  }

  /** The tree's root, 32 bytes. */
  root(): Uint8Array {
    return foldPeaks(this.#peaks);
  }
}
