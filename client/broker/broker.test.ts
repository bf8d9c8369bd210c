import { generateKeyPairSync, verify } from "node:crypto";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { x25519 } from "@noble/curves/ed25519.js";
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createSimulatedAttester } from "../../attestation/attest/index.ts";
import {
  DEFAULT_POLICY,
  parsePolicy,
  SIMULATED_POLICY,
  type AppraisalPolicy,
} from "../../attestation/index.ts";
import { fromBase64Url, sha256, toHex, utf8, type Json } from "../../codec/index.ts";
import {
  openSegments,
  parseHead,
  sealWeights,
  type ReleaseRequest,
  type SealedHead,
} from "../../models/index.ts";
import { keyReleaseReportData, keyReleaseText, type KeyReleaseTerms } from "../../receipts/index.ts";
import { Broker, type Decision, type ReleasePolicy } from "./broker.ts";
import { CHALLENGE_LIFETIME_MS } from "./challenges.ts";

const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});
const START_MS = Date.parse("2026-08-15T10:30:00Z");
const attester = createSimulatedAttester();
const owner = x25519.keygen();
const resultKey = generateKeyPairSync("ed25519");
const modelId = sha256(utf8("model"));
const otherModelId = sha256(utf8("another model"));
const keysetDigest = sha256(utf8("keyset"));
const weights = utf8("the weights of a private model");

let folder: string;
let head: Uint8Array;
let otherHead: Uint8Array;
let sealedFile: Buffer;
let endorsements: Json;
let nowMs: number;
let policies: Map<string, ReleasePolicy>;
let decisions: Decision[];
let broker: Broker;

function policyOf(appraisal: AppraisalPolicy, revoked = false): ReleasePolicy {
  return { appraisal, digest: sha256(utf8(JSON.stringify(appraisal))), revoked };
}

async function headOf(id: Uint8Array, brokerKey = owner.publicKey): Promise<Uint8Array> {
  const target = join(folder, "sealed");
  await writeFile(join(folder, "weights"), weights);
  const { byteLength } = await sealWeights(join(folder, "weights"), target, {
    brokerKey,
    modelId: id,
    expected: { sha256: toHex(sha256(weights)), bytes: weights.length },
  });
  return new Uint8Array((await readFile(target)).subarray(0, byteLength));
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "broker-"));
  endorsements = await attester.endorsements(new Date(START_MS));
  otherHead = await headOf(otherModelId);
  head = await headOf(modelId);
  sealedFile = await readFile(join(folder, "sealed"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

beforeEach(() => {
  nowMs = START_MS;
  decisions = [];
  policies = new Map([
    [toHex(modelId), policyOf(SIMULATED_POLICY)],
    [toHex(otherModelId), policyOf(SIMULATED_POLICY)],
  ]);
  broker = new Broker({
    ...owner,
    resultKey: resultKey.privateKey,
    policyFor: async (id) => policies.get(toHex(id)),
    nowMs: () => nowMs,
    version: "1.2.3",
    onDecision: (decision) => decisions.push(decision),
  });
});

interface Vault {
  secretKey: Uint8Array;
  request: ReleaseRequest;
}

/** What a vault sends: a fresh key, and evidence over the broker's nonce. */
async function ask(over: Partial<KeyReleaseTerms> = {}): Promise<Vault> {
  const { secretKey, publicKey } = x25519.keygen();
  const { nonce } = await broker.challenge(modelId);
  const terms = { nonce, hpkeKey: publicKey, modelId, keysetDigest };
  const quote = await attester.quote(keyReleaseReportData({ ...terms, ...over }));
  return { secretKey, request: { ...terms, evidence: { type: "tdx", quote }, endorsements, head } };
}

async function contentKeyFrom({ secretKey, request }: Vault, sealedKey: Uint8Array): Promise<Uint8Array> {
  const recipientKey = await suite.kem.deserializePrivateKey(new Uint8Array(secretKey));
  const context = { recipientKey, enc: sealedKey.slice(0, 32), info: utf8(keyReleaseText(request)) };
  return new Uint8Array(await suite.open(context, sealedKey.slice(32)));
}

async function openWeights(contentKey: Uint8Array): Promise<Uint8Array> {
  const sealed: SealedHead = parseHead(sealedFile);
  return await openSegments(sealed, contentKey, async (target, position) =>
    sealedFile.copy(target, 0, position, position + target.length),
  );
}

describe("a key broker", () => {
  it("releases the key to whom it appraised, with the result of the appraisal", async () => {
    const vault = await ask();
    const { sealedKey, ear, policyDigest } = await broker.release(vault.request);
    expect(await openWeights(await contentKeyFrom(vault, sealedKey))).toEqual(weights);
    expect(policyDigest).toEqual(policies.get(toHex(modelId))!.digest);
    const [header, payload, signature] = ear.split(".") as [string, string, string];
    const signed = Buffer.from(`${header}.${payload}`);
    expect(verify(null, signed, resultKey.publicKey, fromBase64Url(signature))).toBe(true);
    expect(JSON.parse(Buffer.from(payload, "base64url").toString())).toMatchObject({
      eat_nonce: toHex(vault.request.nonce),
      ear_status: "contraindicated",
      submods: { tdx: { affidavit: { verdict: "accepted", simulated: true } } },
    });
    expect(decisions).toEqual([
      {
        released: true,
        code: "ok",
        message: "key released",
        modelId: toHex(modelId),
        keysetDigest: toHex(keysetDigest),
        atMs: START_MS,
      },
    ]);
  });

  it("seals the key so that other terms do not open it", async () => {
    const vault = await ask();
    const { sealedKey } = await broker.release(vault.request);
    for (const field of ["nonce", "modelId", "keysetDigest"] as const) {
      const request = { ...vault.request, [field]: sha256(utf8("other")) };
      await expect(contentKeyFrom({ ...vault, request }, sealedKey)).rejects.toThrow();
    }
  });

  const refusals: [string, string, () => Promise<ReleaseRequest>][] = [
    [
      "challenge_unknown",
      "a nonce of the vault's own",
      async () => ({ ...(await ask()).request, nonce: keysetDigest }),
    ],
    [
      "challenge_unknown",
      "a request that is replayed",
      async () => {
        const { request } = await ask();
        await broker.release(request);
        return request;
      },
    ],
    [
      "challenge_unknown",
      "a challenge that was used by a refused request",
      async () => {
        const { request } = await ask();
        await broker.release({ ...request, head: otherHead }).catch(() => undefined);
        return request;
      },
    ],
    [
      "challenge_expired",
      "a challenge that is a minute old",
      async () => {
        const { request } = await ask();
        nowMs += CHALLENGE_LIFETIME_MS;
        return request;
      },
    ],
    [
      "model_mismatch",
      "a challenge of another model",
      async () => ({ ...(await ask()).request, modelId: otherModelId }),
    ],
    [
      "model_mismatch",
      "another model's weights",
      async () => ({ ...(await ask()).request, head: otherHead }),
    ],
    [
      "sealed_weights_malformed",
      "a head that is cut off",
      async () => ({ ...(await ask()).request, head: head.subarray(1) }),
    ],
    [
      "sealed_weights_malformed",
      "weights sealed to another broker",
      async () => ({ ...(await ask()).request, head: await headOf(modelId, x25519.keygen().publicKey) }),
    ],
    [
      "sealed_weights_unreadable",
      "a wrapped key that was changed",
      async () => ({ ...(await ask()).request, head: Uint8Array.from(head).fill(0, head.length - 1) }),
    ],
    [
      "report_data_mismatch",
      "evidence for another key",
      async () => (await ask({ hpkeKey: owner.publicKey })).request,
    ],
    ["report_data_mismatch", "stale evidence", async () => (await ask({ nonce: keysetDigest })).request],
    [
      "report_data_mismatch",
      "evidence of another keyset",
      async () => (await ask({ keysetDigest: modelId })).request,
    ],
    [
      "report_data_mismatch",
      "evidence for another model",
      async () => (await ask({ modelId: otherModelId })).request,
    ],
    [
      "simulated_refused",
      "a simulated TEE under a hardware policy",
      async () => {
        policies.set(toHex(modelId), policyOf(DEFAULT_POLICY));
        return (await ask()).request;
      },
    ],
    [
      "measurement_mismatch",
      "another measurement",
      async () => {
        const zero = "00".repeat(48);
        const measurements = [{ mrTd: zero, rtmr0: zero, rtmr1: zero, rtmr2: zero }];
        const policy = parsePolicy({ ...SIMULATED_POLICY, tdx: { ...SIMULATED_POLICY.tdx, measurements } });
        policies.set(toHex(modelId), policyOf(policy));
        return (await ask()).request;
      },
    ],
    [
      "model_revoked",
      "a model that was revoked since the challenge",
      async () => {
        const { request } = await ask();
        policies.set(toHex(modelId), policyOf(SIMULATED_POLICY, true));
        return request;
      },
    ],
    [
      "model_unknown",
      "a model that the owner does not know any more",
      async () => {
        const { request } = await ask();
        policies.delete(toHex(modelId));
        return request;
      },
    ],
  ];

  it.each(refusals)("gives no key, with %s, for %s", async (code, _, request) => {
    await expect(broker.release(await request())).rejects.toEqual(expect.objectContaining({ code }));
    expect(decisions.at(-1)).toMatchObject({ released: false, code });
    expect(decisions.at(-1)!.message).not.toBe("");
  });

  it("asks for evidence again at each load, so that a revocation stops the next one", async () => {
    await broker.release((await ask()).request);
    policies.set(toHex(modelId), policyOf(SIMULATED_POLICY, true));
    await expect(broker.challenge(modelId)).rejects.toEqual(
      expect.objectContaining({ code: "model_revoked" }),
    );
  });

  it("bounds the challenges that are open", async () => {
    for (let i = 0; i < 4096; i++) await broker.challenge(modelId);
    await expect(broker.challenge(modelId)).rejects.toEqual(
      expect.objectContaining({ code: "challenge_limit" }),
    );
    nowMs += 2 * CHALLENGE_LIFETIME_MS;
    await broker.challenge(modelId);
  });
});
