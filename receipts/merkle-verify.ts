/** Inclusion and consistency proofs checked as RFC 9162 sections 2.1.3.2 and 2.1.4.2 say. Every failure throws. */
import { equal } from "../codec/index.ts";
import { ReceiptError } from "./error.ts";
import { EMPTY_ROOT, checkSize, nodeHash, position } from "./merkle.ts";

function checkHashes(hashes: readonly Uint8Array[], code: "inclusion_invalid" | "consistency_invalid"): void {
  if (hashes.length > 64 || hashes.some((hash) => hash.length !== 32)) {
    throw new ReceiptError(code, "a proof is at most 64 hashes of 32 bytes");
  }
}

/**
 * The root that a proof leads to (RFC 9162 section 2.1.3.2), which proves nothing before it is compared with the log's.
 * @throws ReceiptError `inclusion_invalid`, `tree_position_invalid`
 */
export function inclusionRoot(
  leaf: Uint8Array,
  index: bigint,
  size: bigint,
  proof: readonly Uint8Array[],
): Uint8Array {
  checkSize(size);
  if (index < 0n || index >= size) throw position("the index is not below the size");
  checkHashes([leaf], "inclusion_invalid");
  checkHashes(proof, "inclusion_invalid");
  let node = index;
  let last = size - 1n;
  let hash = leaf;
  for (const sibling of proof) {
    if (last === 0n) throw new ReceiptError("inclusion_invalid", "the proof is too long");
    if ((node & 1n) === 1n || node === last) {
      hash = nodeHash(sibling, hash);
      while ((node & 1n) === 0n && node !== 0n) {
        node >>= 1n;
        last >>= 1n;
      }
    } else {
      hash = nodeHash(hash, sibling);
    }
    node >>= 1n;
    last >>= 1n;
  }
  if (last !== 0n) throw new ReceiptError("inclusion_invalid", "the proof is too short");
  return hash;
}

/**
 * Returns only where the leaf is at `index` of the tree. That the root is the log's is not checked here.
 * @throws ReceiptError `inclusion_invalid`, `tree_position_invalid`
 */
export function verifyInclusion(
  leaf: Uint8Array,
  index: bigint,
  size: bigint,
  proof: readonly Uint8Array[],
  root: Uint8Array,
): void {
  checkHashes([root], "inclusion_invalid");
  const hash = inclusionRoot(leaf, index, size, proof);
  if (!equal(hash, root)) throw new ReceiptError("inclusion_invalid", "the proof leads to another root");
}

function verifyTrivialConsistency(
  sameSize: boolean,
  firstRoot: Uint8Array,
  secondRoot: Uint8Array,
  proof: readonly Uint8Array[],
): void {
  const expected = sameSize ? secondRoot : EMPTY_ROOT;
  if (proof.length !== 0) throw new ReceiptError("consistency_invalid", "this proof has no hashes");
  if (!equal(firstRoot, expected)) throw new ReceiptError("consistency_invalid", "the first root is another");
}

/**
 * Returns only where the second tree starts with the first (RFC 9162 section 2.1.4.2). Beyond the RFC, a first size of 0
 * is consistent with every tree where its root is the empty root and the proof is empty.
 * @throws ReceiptError `consistency_invalid`, `tree_position_invalid`
 */
export function verifyConsistency(
  first: bigint,
  second: bigint,
  firstRoot: Uint8Array,
  secondRoot: Uint8Array,
  proof: readonly Uint8Array[],
): void {
  checkSize(second);
  if (first < 0n || first > second) throw position("the first size is above the second");
  checkHashes([firstRoot, secondRoot], "consistency_invalid");
  checkHashes(proof, "consistency_invalid");
  if (second === 0n && !equal(secondRoot, EMPTY_ROOT)) {
    throw new ReceiptError("consistency_invalid", "the root of an empty tree is another");
  }
  if (first === 0n || first === second) {
    verifyTrivialConsistency(first === second, firstRoot, secondRoot, proof);
    return;
  }
  let node = first - 1n;
  let last = second - 1n;
  while ((node & 1n) === 1n) {
    node >>= 1n;
    last >>= 1n;
  }
  // Where the first size is a power of two, its root is itself a node of the second tree and the proof leaves it out.
  const path = node === 0n ? [firstRoot, ...proof] : [...proof];
  const seed = path.shift();
  if (seed === undefined) throw new ReceiptError("consistency_invalid", "the proof is too short");
  let firstHash = seed;
  let secondHash = seed;
  for (const sibling of path) {
    if (last === 0n) throw new ReceiptError("consistency_invalid", "the proof is too long");
    if ((node & 1n) === 1n || node === last) {
      firstHash = nodeHash(sibling, firstHash);
      secondHash = nodeHash(sibling, secondHash);
      while ((node & 1n) === 0n && node !== 0n) {
        node >>= 1n;
        last >>= 1n;
      }
    } else {
      secondHash = nodeHash(secondHash, sibling);
    }
    node >>= 1n;
    last >>= 1n;
  }
  if (last !== 0n) throw new ReceiptError("consistency_invalid", "the proof is too short");
  if (!equal(firstHash, firstRoot))
    throw new ReceiptError("consistency_invalid", "the proof leads to another first root");
  if (!equal(secondHash, secondRoot))
    throw new ReceiptError("consistency_invalid", "the proof leads to another root");
}
