/**
 * What a load of sealed weights costs: two models of the same 100 MB, one sealed, and one engine host that has room for one, so
 * that each run loads its model anew. A broker's challenge and release over HTTP, evidence of the simulated TEE and its
 * appraisal are part of it; the vault's process and the log's commit, a few milliseconds, are not.
 */
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { x25519 } from "@noble/curves/ed25519.js";
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { createSimulatedAttester } from "../attestation/attest/index.ts";
import {
  Broker,
  createBrokerState,
  readReleasePolicy,
  startBroker,
  writeReleasePolicy,
  type RunningBroker,
} from "../client/broker/index.ts";
import { sha256, toHex, utf8 } from "../codec/index.ts";
import {
  EnginePool,
  ModelRegistry,
  readChallengeAnswer,
  readReleaseAnswer,
  sealWeights,
  writeRelease,
  type KeyWanted,
  type LoadedModel,
} from "../models/index.ts";
import { wideModel } from "../models/testing/models.ts";
import { keyReleaseReportData, keyReleaseText } from "../receipts/index.ts";
import { temporaryDirectory } from "../test/folder.ts";

/** 4 · 5000² bytes. */
const WIDTH = 5000;
const WARM_UPS = 2;
const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});
const attester = createSimulatedAttester();

/** @returns a ratio a pair of neighbours: sealed over plain */
export async function compareLoads(pairs: number): Promise<number[]> {
  const folder = temporaryDirectory();
  const engine = new EnginePool({ hosts: 1, spareHosts: 0, maxModelBytes: 150 * 1024 * 1024 });
  let broker: RunningBroker | undefined;
  let releases = 0;
  try {
    const state = join(folder.path, "owner");
    const keys = await createBrokerState(state);
    const policyFor = (id: Uint8Array) => readReleasePolicy(state, id);
    const options = { ...keys, policyFor, nowMs: Date.now, version: "bench" };
    broker = await startBroker({
      broker: new Broker({ ...options, onDecision: ({ released }) => void (released && releases++) }),
      port: 0,
    });
    const sealed = wideModel(WIDTH, { name: "wide-sealed" });
    const roots: "simulated"[] = ["simulated"];
    const policy = { formatVersion: 1 as const, roots, codeIdentity: "reportedIfSimulated" as const };
    await writeReleasePolicy(state, sealed.modelId, policy);
    const models = join(folder.path, "models");
    await put(wideModel(WIDTH, { name: "wide-plain" }), models);
    await put(sealed, models, { url: broker.url, publicKey: keys.publicKey });
    const ratios = await measure(engine, await ModelRegistry.load([models], releaseKey), pairs);
    // A model that stayed in the host would look fast.
    if (releases < pairs) throw new Error(`${releases} keys were released for ${pairs} loads`);
    return ratios;
  } finally {
    await engine.close();
    await broker?.close();
    folder.remove();
  }
}

async function measure(engine: EnginePool, models: ModelRegistry, pairs: number): Promise<number[]> {
  const data = new Uint8Array(4 * WIDTH);
  const inputs = [{ name: "x", datatype: "FP32" as const, shape: [1, WIDTH], data }];
  const load = async (name: string): Promise<number> => {
    const begunMs = performance.now();
    await engine.run(models.require(name), inputs, { timeoutMs: 60_000 });
    return performance.now() - begunMs;
  };
  const ratios: number[] = [];
  await load("wide-sealed");
  for (let i = -WARM_UPS; i < pairs; i++) {
    // In turn: neither finds its model in the host.
    const plainMs = await load("wide-plain");
    const sealedMs = await load("wide-sealed");
    if (i >= 0) ratios.push(sealedMs / plainMs);
  }
  return ratios;
}

async function releaseKey({ brokerUrl, modelId, head }: KeyWanted): Promise<Uint8Array> {
  const post = async (resource: string, body: string): Promise<string> =>
    await (await fetch(`${brokerUrl}/v1/${resource}`, { method: "POST", body })).text();
  const { nonce } = readChallengeAnswer(
    await post("challenges", JSON.stringify({ modelId: toHex(modelId) })),
  );
  const { secretKey, publicKey } = x25519.keygen();
  const terms = { nonce, hpkeKey: publicKey, modelId, keysetDigest: sha256(utf8("keyset")) };
  const quote = await attester.quote(keyReleaseReportData(terms));
  const endorsements = await attester.endorsements(new Date());
  const request = { ...terms, evidence: { type: "tdx" as const, quote }, endorsements, head };
  const { sealedKey } = readReleaseAnswer(await post("releases", writeRelease(request)));
  const recipientKey = await suite.kem.deserializePrivateKey(new Uint8Array(secretKey));
  const context = { recipientKey, enc: sealedKey.slice(0, 32), info: utf8(keyReleaseText(terms)) };
  return new Uint8Array(await suite.open(context, sealedKey.slice(32)));
}

async function put(
  model: LoadedModel,
  models: string,
  broker?: { url: string; publicKey: Uint8Array },
): Promise<void> {
  const { manifest, manifestText, modelId } = model;
  const folder = join(models, manifest.name);
  const file = join(folder, "model.onnx");
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "manifest.json"), manifestText);
  await writeFile(file, await model.weights());
  if (!broker) return;
  const options = { brokerKey: broker.publicKey, modelId, expected: manifest.weights };
  await sealWeights(file, join(folder, "weights.sealed"), options);
  await writeFile(join(folder, "broker.json"), JSON.stringify({ url: broker.url }));
  await rm(file);
}
