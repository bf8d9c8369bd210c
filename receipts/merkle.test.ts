import * as fc from "fast-check";
import { createHash } from "node:crypto";
import { describe, expect, it } from "vitest";
import { fromHex, toHex } from "../codec/index.ts";
import { bytes } from "./arbitrary.test-support.ts";
import type { NodeGetter } from "./merkle.ts";
import { CompactRange } from "./compact-range.ts";
import { verifyConsistency, verifyInclusion } from "./merkle-verify.ts";
import {
  EMPTY_ROOT,
  MAX_TREE_SIZE,
  consistencyProof,
  inclusionProof,
  leafHash,
  planConsistency,
  planInclusion,
  rangeNodes,
  treeRoot,
} from "./merkle.ts";

const MAX = 300;
const sha = (data: Buffer) => createHash("sha256").update(data).digest();
const LEAVES = Array.from({ length: MAX }, (_, i) => Buffer.from(`leaf ${i}`));
const memo = new Map<string, Buffer>();

/** MTH of RFC 9162 section 2.1.1, by recursion over leaf data: shares nothing with the implementation. */
function naive(start: number, end: number): Buffer {
  const key = `${start}-${end}`;
  const known = memo.get(key);
  if (known) return known;
  const n = end - start;
  let hash: Buffer;
  if (n === 0) hash = sha(Buffer.alloc(0));
  else if (n === 1) hash = sha(Buffer.concat([Buffer.of(0), LEAVES[start]!]));
  else {
    let k = 1;
    while (k * 2 < n) k *= 2;
    hash = sha(Buffer.concat([Buffer.of(1), naive(start, start + k), naive(start + k, end)]));
  }
  memo.set(key, hash);
  return hash;
}

const nodes = new Map<string, Uint8Array>();
const ranges = [CompactRange.empty()];
for (const leaf of LEAVES) {
  const next = ranges.at(-1)!.clone();
  next.append(leafHash(leaf), (level, index, hash) => nodes.set(`${level}/${index}`, hash));
  ranges.push(next);
}
const node: NodeGetter = (level, index) => nodes.get(`${level}/${index}`)!;
const root = (size: number) => new Uint8Array(naive(0, size));
const leafAt = (index: number) => leafHash(LEAVES[index]!);
const refusal = (code: string) => expect.objectContaining({ name: "ReceiptError", code });

describe("CompactRange", () => {
  it("has the naive tree's root at every size, and comes back from its bytes", () => {
    for (const [size, range] of ranges.entries()) {
      expect(range.size).toBe(BigInt(size));
      expect(range.root()).toEqual(root(size));
      expect(treeRoot(BigInt(size), node)).toEqual(root(size));
      const encoded = range.encode();
      expect(CompactRange.decode(encoded).encode()).toEqual(encoded);
      expect(CompactRange.decode(encoded).root()).toEqual(root(size));
    }
  });

  it("keeps every complete subtree, and nothing else", () => {
    let count = 0;
    for (let level = 0; 2 ** level <= MAX; level++) {
      for (let index = 0; (index + 1) * 2 ** level <= MAX; index++, count++) {
        const expected = naive(index * 2 ** level, (index + 1) * 2 ** level);
        expect(node(level, BigInt(index))).toEqual(new Uint8Array(expected));
      }
    }
    expect(nodes.size).toBe(count);
  });

  it("refuses other lengths, sizes and leaves", () => {
    const encoded = ranges[7]!.encode();
    expect(() => CompactRange.decode(encoded.subarray(0, 7))).toThrow(refusal("range_invalid"));
    expect(() => CompactRange.decode(encoded.subarray(0, encoded.length - 1))).toThrow(
      refusal("range_invalid"),
    );
    expect(() => CompactRange.decode(new Uint8Array(8).fill(255))).toThrow(refusal("range_invalid"));
    expect(() => CompactRange.empty().append(new Uint8Array(31))).toThrow(refusal("range_invalid"));
  });

  it("knows the root of nothing", () => {
    expect(toHex(EMPTY_ROOT)).toBe("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    expect(CompactRange.empty().root()).toEqual(EMPTY_ROOT);
  });

  it("agrees with the reference hashes of Certificate Transparency's test trees", () => {
    const range = CompactRange.empty();
    range.append(leafHash(new Uint8Array(0)));
    expect(range.root()).toEqual(fromHex("6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"));
    range.append(leafHash(Uint8Array.of(0)));
    expect(range.root()).toEqual(fromHex("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"));
  });
});

describe("inclusion", () => {
  it(`holds for every leaf of every tree up to ${MAX}`, () => {
    for (let size = 1; size <= MAX; size++) {
      for (let index = 0; index < size; index++) {
        const proof = inclusionProof(BigInt(index), BigInt(size), node);
        verifyInclusion(leafAt(index), BigInt(index), BigInt(size), proof, root(size));
      }
    }
  });

  it("fails for every other leaf, index and root", () => {
    for (const size of [2, 7, 8, 9, 33]) {
      for (let index = 0; index < size; index++) {
        const proof = inclusionProof(BigInt(index), BigInt(size), node);
        for (let other = 0; other < size; other++) {
          if (other === index) continue;
          const leaf = leafAt(other);
          const attempts = [
            () => verifyInclusion(leaf, BigInt(index), BigInt(size), proof, root(size)),
            () => verifyInclusion(leafAt(index), BigInt(other), BigInt(size), proof, root(size)),
            () => verifyInclusion(leaf, BigInt(other), BigInt(size), proof, root(size)),
          ];
          for (const attempt of attempts) expect(attempt).toThrow(refusal("inclusion_invalid"));
        }
        const wrongRoot = () =>
          verifyInclusion(leafAt(index), BigInt(index), BigInt(size), proof, root(size - 1));
        expect(wrongRoot).toThrow(refusal("inclusion_invalid"));
      }
    }
  });

  it("fails when any byte changes, a hash goes missing or one is added", () => {
    const arbitrary = fc.integer({ min: 2, max: MAX }).chain((size) =>
      fc.record({
        size: fc.constant(size),
        index: fc.nat({ max: size - 1 }),
        at: fc.nat(),
        flip: fc.integer({ min: 1, max: 255 }),
        extra: bytes(32),
      }),
    );
    fc.assert(
      fc.property(arbitrary, ({ size, index, at, flip, extra }) => {
        const proof = inclusionProof(BigInt(index), BigInt(size), node);
        const verify = (hashes: Uint8Array[]) => () =>
          verifyInclusion(leafAt(index), BigInt(index), BigInt(size), hashes, root(size));
        const corrupted = proof.map((hash) => hash.slice());
        const victim = corrupted[at % corrupted.length]!;
        victim[(at >> 4) % 32]! ^= flip;
        expect(verify(corrupted)).toThrow(refusal("inclusion_invalid"));
        expect(verify(proof.toSpliced(at % proof.length, 1))).toThrow(refusal("inclusion_invalid"));
        expect(verify([...proof, extra])).toThrow(refusal("inclusion_invalid"));
        expect(verify([extra, ...proof])).toThrow(refusal("inclusion_invalid"));
      }),
    );
  });

  it("refuses positions outside the tree and hashes of another length", () => {
    const proof = inclusionProof(0n, 2n, node);
    for (const [index, size] of [
      [2n, 2n],
      [-1n, 2n],
      [0n, 0n],
      [0n, MAX_TREE_SIZE + 1n],
    ] as const) {
      expect(() => verifyInclusion(leafAt(0), index, size, proof, root(2))).toThrow(
        refusal("tree_position_invalid"),
      );
      expect(() => planInclusion(index, size)).toThrow(refusal("tree_position_invalid"));
    }
    const short = [proof[0]!.subarray(1)];
    expect(() => verifyInclusion(leafAt(0), 0n, 2n, short, root(2))).toThrow(refusal("inclusion_invalid"));
    const long = Array.from({ length: 65 }, () => proof[0]!);
    expect(() => verifyInclusion(leafAt(0), 0n, MAX_TREE_SIZE, long, root(2))).toThrow(
      refusal("inclusion_invalid"),
    );
  });

  it("plans proofs in trees of the largest size", () => {
    const plan = planInclusion(MAX_TREE_SIZE - 1n, MAX_TREE_SIZE);
    expect(plan.length).toBeLessThanOrEqual(64);
    expect(plan.flatMap(rangeNodes).length).toBeLessThanOrEqual(64);
  });
});

describe("consistency", () => {
  it(`holds for every pair of sizes up to ${MAX}`, () => {
    for (let second = 0; second <= MAX; second++) {
      for (let first = 0; first <= second; first++) {
        const proof = consistencyProof(BigInt(first), BigInt(second), node);
        verifyConsistency(BigInt(first), BigInt(second), root(first), root(second), proof);
      }
    }
  });

  it("fails between trees of other sizes", () => {
    for (let second = 1; second <= 40; second++) {
      for (let first = 1; first < second; first++) {
        const proof = consistencyProof(BigInt(first), BigInt(second), node);
        const wrongFirst = () =>
          verifyConsistency(BigInt(first), BigInt(second), root(first - 1), root(second), proof);
        const wrongSecond = () =>
          verifyConsistency(BigInt(first), BigInt(second), root(first), root(second + 1), proof);
        expect(wrongFirst).toThrow(refusal("consistency_invalid"));
        expect(wrongSecond).toThrow(refusal("consistency_invalid"));
      }
    }
  });

  it("fails when any byte changes, a hash goes missing or one is added", () => {
    const arbitrary = fc.integer({ min: 2, max: MAX }).chain((second) =>
      fc.record({
        second: fc.constant(second),
        first: fc.integer({ min: 1, max: second - 1 }),
        at: fc.nat(),
        flip: fc.integer({ min: 1, max: 255 }),
        extra: bytes(32),
      }),
    );
    fc.assert(
      fc.property(arbitrary, ({ first, second, at, flip, extra }) => {
        const proof = consistencyProof(BigInt(first), BigInt(second), node);
        const verify = (hashes: Uint8Array[]) => () =>
          verifyConsistency(BigInt(first), BigInt(second), root(first), root(second), hashes);
        const corrupted = proof.map((hash) => hash.slice());
        corrupted[at % corrupted.length]![(at >> 4) % 32]! ^= flip;
        expect(verify(corrupted)).toThrow(refusal("consistency_invalid"));
        expect(verify(proof.toSpliced(at % proof.length, 1))).toThrow(refusal("consistency_invalid"));
        expect(verify([...proof, extra])).toThrow(refusal("consistency_invalid"));
        expect(verify([extra, ...proof])).toThrow(refusal("consistency_invalid"));
      }),
    );
  });

  it("fails between two histories that part", () => {
    const other = CompactRange.empty();
    for (let i = 0; i < 20; i++) other.append(i === 3 ? leafHash(Buffer.from("another")) : leafAt(i));
    const proof = consistencyProof(10n, 20n, node);
    expect(() => verifyConsistency(10n, 20n, root(10), other.root(), proof)).toThrow(
      refusal("consistency_invalid"),
    );
  });

  it("refuses a shrinking tree and false empty trees", () => {
    expect(() => planConsistency(3n, 2n)).toThrow(refusal("tree_position_invalid"));
    expect(() => verifyConsistency(3n, 2n, root(3), root(2), [])).toThrow(refusal("tree_position_invalid"));
    expect(() => verifyConsistency(0n, 5n, root(1), root(5), [])).toThrow(refusal("consistency_invalid"));
    expect(() => verifyConsistency(0n, 0n, root(1), root(1), [])).toThrow(refusal("consistency_invalid"));
    expect(() => verifyConsistency(5n, 5n, root(4), root(5), [])).toThrow(refusal("consistency_invalid"));
    expect(() => verifyConsistency(5n, 5n, root(5), root(5), [root(1)])).toThrow(
      refusal("consistency_invalid"),
    );
    expect(() => verifyConsistency(4n, 5n, root(4), root(5), [])).toThrow(refusal("consistency_invalid"));
  });
});
