import { x25519 } from "@noble/curves/ed25519.js";
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { describe, expect, it } from "vitest";
import { concat, sha256, utf8 } from "../codec/index.ts";
import { appraise, SIMULATED_POLICY } from "../attestation/index.ts";
import { simulatedCollateral } from "../attestation/attest/simulated-platform.ts";
import {
  decodeStatement,
  keyReleaseReportData,
  keyReleaseText,
  recoverSigner,
  reportData,
  type KeyReleaseTerms,
} from "../receipts/index.ts";
import type { Vault } from "./start.ts";
import { install, start } from "./vault.test-support.ts";

const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});
const refusal = (code: string) => expect.objectContaining({ name: "VaultError", code });
const modelId = sha256(utf8("model"));
const contentKey = sha256(utf8("content key"));
const digests = {
  brokerKeyDigest: sha256(utf8("broker")),
  policyDigest: sha256(utf8("policy")),
  resultDigest: sha256(utf8("result")),
};

async function begin(vault: Vault, nonce: Uint8Array) {
  const evidence = await vault.beginKeyRelease(nonce, modelId);
  const { hpkeKey, keysetDigest } = evidence;
  return { evidence, terms: { nonce, hpkeKey, modelId, keysetDigest } };
}

/** As a broker does. */
async function seal(terms: KeyReleaseTerms, info = utf8(keyReleaseText(terms))): Promise<Uint8Array> {
  const recipientPublicKey = await suite.kem.deserializePublicKey(new Uint8Array(terms.hpkeKey));
  const sealed = await suite.seal({ recipientPublicKey, info: new Uint8Array(info) }, contentKey.slice());
  return concat(new Uint8Array(sealed.enc), new Uint8Array(sealed.ct));
}

describe("a release of a model's key", () => {
  it("shows a broker evidence for its nonce, opens what it gave once, and says so in a statement", async () => {
    const vault = await start();
    const keyset = await install(vault);
    const nonce = sha256(utf8("nonce"));
    const { evidence, terms } = await begin(vault, nonce);
    expect(evidence.keysetDigest).toEqual(keyset.digest);
    const options = {
      now: new Date(),
      policy: SIMULATED_POLICY,
      expectedReportData: keyReleaseReportData(terms),
    };
    const quoted = { type: "tdx" as const, quote: evidence.quote };
    expect(appraise(quoted, simulatedCollateral(new Date()), options)).toMatchObject({ code: "ok" });
    // Evidence for a release is none for the keyset.
    expect(keyReleaseReportData(terms)).not.toEqual(reportData(keyset.digest, nonce));

    const sealedKey = await seal(terms);
    const released = await vault.finishKeyRelease({ nonce, sealedKey, ...digests });
    expect(released.contentKey).toEqual(contentKey);
    const { words, digest, signature, keysetDigest } = released.statement;
    expect(keysetDigest).toEqual(keyset.digest);
    expect(recoverSigner(digest, signature)).toEqual(vault.info.receiptAddress);
    expect(decodeStatement("KeyRelease", words)).toMatchObject({
      modelId,
      challengeNonce: nonce,
      ...digests,
    });

    await expect(vault.finishKeyRelease({ nonce, sealedKey, ...digests })).rejects.toEqual(
      refusal("release_unknown"),
    );
  });

  it("draws a key of its own for each", async () => {
    const vault = await start();
    await install(vault);
    const [one, two] = [await begin(vault, digests.policyDigest), await begin(vault, digests.resultDigest)];
    expect(one.evidence.hpkeKey).not.toEqual(two.evidence.hpkeKey);
    const { nonce } = two.terms;
    // What was released for one opens no other.
    await expect(
      vault.finishKeyRelease({ nonce, sealedKey: await seal(one.terms), ...digests }),
    ).rejects.toEqual(refusal("record_unreadable"));
  });

  it("opens nothing that was sealed under other terms, changed, or by a broker of its own making", async () => {
    const vault = await start();
    await install(vault);
    const cases: ((terms: KeyReleaseTerms) => Promise<Uint8Array>)[] = [
      async (terms) => seal(terms, utf8(keyReleaseText({ ...terms, modelId: contentKey }))),
      async (terms) => seal(terms, new Uint8Array(0)),
      async (terms) => seal({ ...terms, hpkeKey: x25519.keygen().publicKey }),
      async (terms) => (await seal(terms)).fill(0, 79),
      async () => new Uint8Array(80),
    ];
    for (const [i, make] of cases.entries()) {
      const nonce = new Uint8Array(32).fill(i + 1);
      const { terms } = await begin(vault, nonce);
      await expect(
        vault.finishKeyRelease({ nonce, sealedKey: await make(terms), ...digests }),
        `case ${i}`,
      ).rejects.toEqual(refusal("record_unreadable"));
    }
  });

  it("needs a keyset, and one that was begun", async () => {
    const vault = await start();
    const nonce = new Uint8Array(32);
    await expect(vault.beginKeyRelease(nonce, modelId)).rejects.toEqual(refusal("keyset_missing"));
    await install(vault);
    await expect(
      vault.finishKeyRelease({ nonce, sealedKey: new Uint8Array(80), ...digests }),
    ).rejects.toEqual(refusal("release_unknown"));
  });
});
