import { verify as verifySignature, createPublicKey } from "node:crypto";
import { recoverMessageAddress } from "viem";
import { beforeAll, describe, expect, it } from "vitest";
import { parseQuote } from "../attestation/index.ts";
import { equal, sha256, toHex, toHex0x, utf8 } from "../codec/index.ts";
import {
  aciBodiesMatch,
  aciKeyId,
  decodeStatement,
  encodeCoseReceipt,
  encodeTransparentStatement,
  leafData,
  leafHash,
  parseKeyset,
  SaltedDigests,
  verifyAciReceipt,
  verifyAirReceipt,
  verifyTransparentStatement,
} from "../receipts/index.ts";
import type { ProjectionRequest, SignedInference, Vault } from "./index.ts";
import { inference, inOneHour, install, start } from "./vault.test-support.ts";

const REQUEST = utf8('{"inputs":[]}');
const RESPONSE = utf8('{"outputs":[]}');
const refusal = (code: string) => expect.objectContaining({ name: "VaultError", code });
const ORIGIN = "log.example";

let vault: Vault;
let keyset: { text: string; digest: Uint8Array };
let quoteDigest: Uint8Array;

function projectionOf(digests: SaltedDigests, change: Partial<ProjectionRequest> = {}): ProjectionRequest {
  return {
    requestHash: sha256(REQUEST),
    responseHash: sha256(RESPONSE),
    requestSalt: digests.salt("request"),
    responseSalt: digests.salt("response"),
    modelName: "a model",
    modelVersion: "1.0",
    endpoint: "/v2/models/a/infer",
    challengeNonce: utf8("a nonce of mine"),
    executionTimeMs: 17n,
    ...change,
  };
}

async function sign(change: Partial<ProjectionRequest> = {}): Promise<SignedInference> {
  const [ticket] = await vault.drawTickets(1);
  const digests = new SaltedDigests(ticket!.defaultSalt);
  const fields = {
    ...inference(ticket!.requestId),
    requestDigest: digests.requestDigest(REQUEST),
    responseDigest: digests.responseDigest(RESPONSE),
  };
  return await vault.signInference(fields, projectionOf(digests, change));
}

beforeAll(async () => {
  vault = await start();
  keyset = await install(vault, ORIGIN);
  const { quote } = await vault.quote(null);
  quoteDigest = sha256(quote);
});

describe("an inference's other forms", () => {
  it("have no AIR receipt before the keyset is attested", async () => {
    const signed = await sign();
    expect((await vault.openProjections(signed.digest, signed.sealedProjections!)).air).toBeNull();
    await vault.signKeyset({
      evidenceDigest: quoteDigest,
      endorsementsDigest: quoteDigest,
      notBeforeMs: 1n,
      notAfterMs: (inOneHour() - 60n) * 1000n,
    });
  });

  it("are an AIR receipt by a key of its own, of the statement and the quote", async () => {
    const signed = await sign();
    const statement = decodeStatement("InferenceStatement", signed.words);
    const { air } = await vault.openProjections(signed.digest, signed.sealedProjections!);
    expect(air!.length).toBeLessThan(1024);
    const policy = { now: new Date(), nonce: utf8("a nonce of mine"), platform: "tdx-mrtd-rtmr" } as const;
    const { airPublicKey, aciPublicKey } = vault.info;
    expect(verifyAirReceipt(air!, airPublicKey, policy)).toMatchObject({ code: "EVALUATION_MODE_REJECTED" });
    expect(verifyAirReceipt(air!, aciPublicKey, policy)).toMatchObject({ code: "SIG_FAILED" });
    const found = verifyAirReceipt(air!, parseKeyset(keyset.text).airPublicKey, {
      ...policy,
      allowEvaluation: true,
    });
    expect(found).toMatchObject({
      verdict: "accepted",
      claims: {
        iss: "test",
        iat: statement.issuedAtMs / 1000n,
        cti: signed.digest.slice(0, 16),
        modelId: "a model",
        modelVersion: "1.0",
        modelHash: statement.modelId,
        requestHash: sha256(REQUEST),
        responseHash: sha256(RESPONSE),
        attestationDocHash: quoteDigest,
        policyVersion: `sha256:${toHex(statement.policyDigest)}`,
        sequenceNumber: statement.sequence,
        executionTimeMs: 17n,
        securityMode: "evaluation",
        modelHashScheme: "sha256-manifest",
      },
    });
  });

  it("leave the nonce out where the caller chose none", async () => {
    const signed = await sign({ challengeNonce: null });
    const { air } = await vault.openProjections(signed.digest, signed.sealedProjections!);
    const policy = { now: new Date(), allowEvaluation: true };
    expect(verifyAirReceipt(air!, vault.info.airPublicKey, policy).claims?.eatNonce).toBeUndefined();
    expect(
      verifyAirReceipt(air!, vault.info.airPublicKey, { ...policy, nonce: new Uint8Array(8) }).code,
    ).toBe("NONCE_MISSING");
  });

  it("are an ACI receipt under the keyset's key", async () => {
    const signed = await sign();
    const { aci } = await vault.openProjections(signed.digest, signed.sealedProjections!);
    const { aciPublicKey: publicKey } = parseKeyset(keyset.text);
    const receipt = verifyAciReceipt(aci, {
      digest: keyset.digest,
      signingKeys: [{ keyId: aciKeyId(publicKey), publicKey }],
    });
    expect(receipt).toMatchObject({
      receiptId: toHex(signed.digest),
      model: "a model",
      endpoint: "/v2/models/a/infer",
    });
    expect(aciBodiesMatch(receipt, REQUEST, RESPONSE)).toBe(true);
  });

  it("are the dstack text under both keys", async () => {
    const signed = await sign();
    const forms = await vault.openProjections(signed.digest, signed.sealedProjections!);
    expect(forms.dstackText).toBe(`${toHex(sha256(REQUEST))}:${toHex(sha256(RESPONSE))}`);
    const signature = toHex0x(forms.dstackEcdsa) as `0x${string}`;
    const address = await recoverMessageAddress({ message: forms.dstackText, signature });
    expect(address.toLowerCase()).toBe(toHex0x(vault.info.receiptAddress));
    const x = Buffer.from(vault.info.aciPublicKey).toString("base64url");
    const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
    expect(verifySignature(null, utf8(forms.dstackText), key, forms.dstackEd25519)).toBe(true);
  });

  it("are not made where none are asked for", async () => {
    const [ticket] = await vault.drawTickets(1);
    expect((await vault.signInference(inference(ticket!.requestId))).sealedProjections).toBeNull();
  });

  it.each<[string, Partial<ProjectionRequest>]>([
    ["another request's hash", { requestHash: sha256(RESPONSE) }],
    ["another response's hash", { responseHash: sha256(REQUEST) }],
    ["another salt of the request", { requestSalt: new Uint8Array(32) }],
    ["another salt of the response", { responseSalt: new Uint8Array(32) }],
    ["no model", { modelName: "" }],
    ["no version", { modelVersion: "" }],
    ["a nonce too short", { challengeNonce: new Uint8Array(7) }],
  ])("are refused with %s, together with the statement", async (_, change) => {
    await expect(sign(change)).rejects.toThrow(refusal("statement_invalid"));
  });

  it("say of one request in a batch that it is refused, and sign the others", async () => {
    const outcomes = await Promise.allSettled([sign(), sign({ modelName: "" }), sign()]);
    expect(outcomes.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });

  it("fit a full batch of the longest texts", async () => {
    const longest = {
      modelName: "m".repeat(256),
      modelVersion: "v".repeat(64),
      endpoint: `/${"e".repeat(1023)}`,
    };
    const signed = await Promise.all(Array.from({ length: 128 }, () => sign(longest)));
    expect(signed.every(({ sealedProjections }) => sealedProjections !== null)).toBe(true);
  });

  it("open for their statement alone, unchanged, and in no other vault", async () => {
    const signed = await sign();
    const sealed = signed.sealedProjections!;
    const other = await sign();
    expect(toHex(sealed)).not.toContain(toHex(sha256(REQUEST)));
    await expect(vault.openProjections(other.digest, sealed)).rejects.toThrow(refusal("record_unreadable"));
    const places = [0, 12, sealed.length >> 1, sealed.length - 1];
    for (const at of places) {
      const changed = sealed.slice();
      changed[at]! ^= 1;
      await expect(vault.openProjections(signed.digest, changed)).rejects.toThrow(
        refusal("record_unreadable"),
      );
    }
    for (const length of [0, 27, sealed.length - 1]) {
      await expect(vault.openProjections(signed.digest, sealed.slice(0, length))).rejects.toThrow(
        refusal("record_unreadable"),
      );
    }
    const stranger = await start();
    await expect(stranger.openProjections(signed.digest, sealed)).rejects.toThrow(
      refusal("record_unreadable"),
    );
  });
});

describe("a quote over a signing key", () => {
  it("holds the key's name and the nonce as dstack's verifiers read them", async () => {
    const nonce = sha256(utf8("nonce"));
    const ecdsa = parseQuote((await vault.quoteSigner("ecdsa", nonce)).quote).body.reportData;
    expect(toHex(ecdsa)).toBe(toHex(vault.info.receiptAddress).padEnd(64, "0") + toHex(nonce));
    const ed25519 = parseQuote((await vault.quoteSigner("ed25519", nonce)).quote).body.reportData;
    expect(toHex(ed25519)).toBe(toHex(vault.info.aciPublicKey) + toHex(nonce));
  });

  it("is not one that a Keyset statement may name", async () => {
    const { quote } = await vault.quoteSigner("ecdsa", new Uint8Array(32));
    const fields = { endorsementsDigest: quoteDigest, notBeforeMs: 1n, notAfterMs: 2n };
    await expect(vault.signKeyset({ ...fields, evidenceDigest: sha256(quote) })).rejects.toThrow(
      refusal("evidence_unknown"),
    );
  });
});

describe("a leaf's COSE forms", () => {
  it("are signed where a checkpoint of the log key holds the leaf, and only there", async () => {
    const signed = await sign();
    const leaf = leafData("InferenceStatement", signed.digest, signed.keysetDigest, signed.signature);
    const empty = await vault.signCheckpoint({
      size: 0n,
      root: sha256(new Uint8Array(0)),
      consistencyProof: [],
    });
    const { note } = await vault.signCheckpoint({
      size: 1n,
      root: leafHash(leaf),
      previousSize: 0n,
      consistencyProof: [],
    });
    const logged = { note, leaf, leafIndex: 0n, inclusionProof: [] };
    const { receipt, statement } = await vault.signLeaf(logged);
    const log = { origin: ORIGIN, publicKey: vault.info.logPublicKey };
    const place = { leafIndex: 0n, treeSize: 1n, proof: [] };
    const cose = encodeCoseReceipt(log, leaf, place, receipt);
    const found = verifyTransparentStatement(encodeTransparentStatement(log, leaf, statement, [cose]), log);
    expect(found.place).toEqual(place);
    expect(equal(found.leaf, leaf)).toBe(true);

    const other = leafData("InferenceStatement", sha256(leaf), signed.keysetDigest, signed.signature);
    for (const change of [
      { leaf: other },
      { leafIndex: 1n },
      { inclusionProof: [signed.digest] },
      { note: empty.note },
      { leaf: new Uint8Array(131) },
    ]) {
      await expect(vault.signLeaf({ ...logged, ...change })).rejects.toThrow(refusal("leaf_not_included"));
    }
    for (const bad of ["", "not a note", note.replace("log.example\n1", "log.example\n2")]) {
      await expect(vault.signLeaf({ ...logged, note: bad })).rejects.toThrow(refusal("checkpoint_foreign"));
    }
  });
});
