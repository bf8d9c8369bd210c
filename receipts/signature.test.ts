import { secp256k1 } from "@noble/curves/secp256k1.js";
import { privateKeyToAccount } from "viem/accounts";
import { describe, expect, it } from "vitest";
import { keccak256, toHex0x, utf8 } from "../codec/index.ts";
import { leafData, parseLeafData } from "./leaf.ts";
import { addressOf, packSignature, recoverSigner } from "./signature.ts";

const KEY = new Uint8Array(32).fill(7);
const DIGEST = keccak256(utf8("a digest"));
const ADDRESS = addressOf(secp256k1.getPublicKey(KEY));

function sign(): Uint8Array {
  const recovered = secp256k1.sign(DIGEST, KEY, { prehash: false, format: "recovered" });
  return packSignature(recovered.subarray(1), recovered[0]!);
}

const refusal = (code: string) => expect.objectContaining({ name: "ReceiptError", code });

describe("recoverSigner", () => {
  it("names the address that viem derives for the key", () => {
    const account = privateKeyToAccount(toHex0x(KEY) as `0x${string}`);
    expect(toHex0x(ADDRESS)).toBe(account.address.toLowerCase());
    expect(addressOf(secp256k1.getPublicKey(KEY, false))).toEqual(ADDRESS);
    expect(recoverSigner(DIGEST, sign())).toEqual(ADDRESS);
  });

  it("recovers what viem signs", async () => {
    const account = privateKeyToAccount(toHex0x(KEY) as `0x${string}`);
    const signature = await account.sign({ hash: toHex0x(DIGEST) as `0x${string}` });
    expect(toHex0x(sign())).toBe(signature);
  });

  it("refuses the other half of s, which would verify too", () => {
    const signature = sign();
    const s = BigInt(toHex0x(signature.subarray(32, 64)));
    const high = (secp256k1.Point.Fn.ORDER - s).toString(16).padStart(64, "0");
    signature.set(
      Uint8Array.from(high.match(/../g)!, (pair) => parseInt(pair, 16)),
      32,
    );
    signature[64]! ^= 7;
    expect(() => recoverSigner(DIGEST, signature)).toThrow(refusal("signature_high_s"));
    expect(() => packSignature(signature.subarray(0, 64), signature[64]! - 27)).toThrow(
      refusal("signature_high_s"),
    );
  });

  it("refuses other values of v, zero and oversized scalars, and other lengths", () => {
    for (const v of [0, 1, 26, 29, 35, 255]) {
      const signature = sign();
      signature[64] = v;
      expect(() => recoverSigner(DIGEST, signature)).toThrow(refusal("signature_invalid"));
    }
    for (const [start, byte] of [
      [0, 0],
      [0, 255],
      [32, 0],
      [32, 255],
    ] as const) {
      expect(() => recoverSigner(DIGEST, sign().fill(byte, start, start + 32))).toThrow(
        refusal("signature_invalid"),
      );
    }
    expect(() => recoverSigner(DIGEST, sign().subarray(0, 64))).toThrow(refusal("signature_invalid"));
    expect(() => recoverSigner(DIGEST.subarray(1), sign())).toThrow(refusal("signature_invalid"));
    expect(() => addressOf(new Uint8Array(33))).toThrow(refusal("signature_invalid"));
  });

  it("never names the signer for a changed digest or signature", () => {
    for (let i = 0; i < 32; i++) {
      const digest = DIGEST.slice();
      digest[i]! ^= 0x10;
      expect(recoverSigner(digest, sign())).not.toEqual(ADDRESS);
    }
    for (let i = 0; i < 64; i += 3) {
      const signature = sign();
      signature[i]! ^= 0x01;
      let signer: Uint8Array | undefined;
      try {
        signer = recoverSigner(DIGEST, signature);
      } catch (error) {
        expect(error).toEqual(refusal("signature_invalid"));
      }
      expect(signer).not.toEqual(ADDRESS);
    }
  });
});

describe("leafData", () => {
  const keysetDigest = keccak256(utf8("keyset"));

  it("lays out version, type, digest, keyset digest and signature", () => {
    const leaf = leafData("Keyset", DIGEST, keysetDigest, sign());
    expect(leaf.length).toBe(131);
    expect([...leaf.subarray(0, 2)]).toEqual([1, 2]);
    expect(parseLeafData(leaf)).toEqual({ type: "Keyset", digest: DIGEST, keysetDigest, signature: sign() });
  });

  it("refuses unknown types, versions and lengths", () => {
    const leaf = leafData("Aborted", DIGEST, keysetDigest, sign());
    expect(() => leafData("Checkpoint" as never, DIGEST, keysetDigest, sign())).toThrow(
      refusal("leaf_invalid"),
    );
    expect(() => leafData("Keyset", DIGEST.subarray(1), keysetDigest, sign())).toThrow(
      refusal("leaf_invalid"),
    );
    expect(() => parseLeafData(leaf.subarray(1))).toThrow(refusal("leaf_invalid"));
    expect(() => parseLeafData(Uint8Array.from(leaf).fill(2, 0, 1))).toThrow(refusal("leaf_invalid"));
    expect(() => parseLeafData(Uint8Array.from(leaf).fill(99, 1, 2))).toThrow(refusal("leaf_invalid"));
  });
});
