import { keccak256, utf8 } from "../../codec/index.ts";
import { addressOf, recoverSigner } from "../../receipts/index.ts";
import { describe, expect, it } from "vitest";
import { createSigner } from "./signer.ts";
import { ed25519FromSeed } from "./ed25519.ts";
import { createPublicKey, verify } from "node:crypto";

describe.each(["native", "noble"] as const)("a %s signer", (kind) => {
  it("makes low-s signatures that recover to its address", () => {
    const signer = createSigner(kind);
    if (kind === "noble") expect(signer.kind).toBe("noble");
    expect(addressOf(signer.publicKey)).toEqual(signer.address);
    for (let i = 0; i < 20; i++) {
      const digest = keccak256(utf8(`message ${i}`));
      const signature = signer.sign(digest);
      expect(recoverSigner(digest, signature)).toEqual(signer.address);
      expect(signer.sign(digest)).toEqual(signature);
    }
  });

  it("holds a key of its own each time", () => {
    expect(createSigner(kind).address).not.toEqual(createSigner(kind).address);
  });
});

it("signs Ed25519 from a seed as RFC 8032 section 7.1 test 1 does", () => {
  const key = ed25519FromSeed(
    Buffer.from("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60", "hex"),
  );
  expect(Buffer.from(key.publicKey).toString("hex")).toBe(
    "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
  );
  const signature = key.sign(new Uint8Array(0));
  expect(Buffer.from(signature).toString("hex")).toBe(
    "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155" +
      "5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
  );
  const x = Buffer.from(key.publicKey).toString("base64url");
  const publicKey = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  expect(verify(null, new Uint8Array(0), publicKey, signature)).toBe(true);
});
