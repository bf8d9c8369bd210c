import { ed25519 } from "@noble/curves/ed25519.js";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sha256, utf8 } from "../../codec/index.ts";
import { leafData } from "../leaf.ts";
import { inclusionProof, leafHash, treeRoot } from "../merkle.ts";
import { nodeHash } from "../merkle.ts";
import {
  coseReceiptMessage,
  encodeCoseReceipt,
  encodeTransparentStatement,
  scittStatementMessage,
  verifyCoseReceipt,
  verifyTransparentStatement,
} from "./cose-receipt.ts";

const SEED = new Uint8Array(32).fill(6);
const LOG = { origin: "log.example", publicKey: ed25519.getPublicKey(SEED) };
const sign = (message: Uint8Array): Uint8Array => ed25519.sign(message, SEED);
const SIZE = 11;
const leaves = Array.from({ length: SIZE }, (_, i) =>
  leafData("InferenceStatement", sha256(utf8(`s${i}`)), sha256(utf8("k")), new Uint8Array(65).fill(i)),
);
const node = (level: number, index: bigint): Uint8Array =>
  level === 0
    ? leafHash(leaves[Number(index)]!)
    : nodeHash(node(level - 1, 2n * index), node(level - 1, 2n * index + 1n));
const root = treeRoot(BigInt(SIZE), node);
const placeOf = (index: number) => ({
  leafIndex: BigInt(index),
  treeSize: BigInt(SIZE),
  proof: inclusionProof(BigInt(index), BigInt(SIZE), node),
});
const receiptOf = (index: number): Uint8Array =>
  encodeCoseReceipt(LOG, leaves[index]!, placeOf(index), sign(coseReceiptMessage(LOG, leaves[index]!, root)));
const statementOf = (index: number): Uint8Array =>
  encodeTransparentStatement(LOG, leaves[index]!, sign(scittStatementMessage(LOG, leaves[index]!)), [
    receiptOf(index),
  ]);

describe("COSE receipt", () => {
  it.each(leaves.map((_, index) => index))("leaf %i is where the receipt says", (index) => {
    expect(verifyCoseReceipt(receiptOf(index), leaves[index]!, LOG)).toEqual(placeOf(index));
    expect(verifyTransparentStatement(statementOf(index), LOG)).toEqual({
      leaf: leaves[index],
      place: placeOf(index),
    });
  });

  it("is of one leaf and one log", () => {
    const otherLog = { origin: "other.example", publicKey: LOG.publicKey };
    const otherKey = { origin: LOG.origin, publicKey: ed25519.getPublicKey(new Uint8Array(32).fill(1)) };
    expect(() => verifyCoseReceipt(receiptOf(3), leaves[4]!, LOG)).toThrow();
    for (const log of [otherLog, otherKey]) {
      expect(() => verifyCoseReceipt(receiptOf(3), leaves[3]!, log)).toThrow();
      expect(() => verifyTransparentStatement(statementOf(3), log)).toThrow();
    }
  });

  it("is refused with any bit changed, but for a tree size that leads to the same root", () => {
    const receipt = receiptOf(5);
    const statement = statementOf(5);
    const code = expect.stringMatching(/_invalid$/);
    const refused = (verify: () => { leafIndex: bigint; proof: readonly Uint8Array[] }): void => {
      let place;
      try {
        place = verify();
      } catch (error) {
        expect(error).toMatchObject({ code });
        return;
      }
      const { treeSize: _, ...same } = placeOf(5);
      expect(place).toMatchObject(same);
      expect(place).not.toEqual(placeOf(5));
    };
    fc.assert(
      fc.property(fc.nat(receipt.length - 1), fc.nat(statement.length - 1), fc.nat(7), (at, there, bit) => {
        const changed = receipt.slice();
        changed[at]! ^= 1 << bit;
        refused(() => verifyCoseReceipt(changed, leaves[5]!, LOG));
        const other = statement.slice();
        other[there]! ^= 1 << bit;
        refused(() => verifyTransparentStatement(other, LOG).place);
      }),
    );
  });
});
