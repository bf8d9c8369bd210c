/** Models whose weights are sealed: a whole running service, an owner's broker, the simulated TEE. */
import { execFile } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { AppraisalPolicyInput } from "../attestation/index.ts";
import {
  Broker,
  createBrokerState,
  openBrokerKeys,
  readReleasePolicy,
  revokeModel,
  startBroker,
  writeReleasePolicy,
  type Decision,
  type RunningBroker,
} from "../client/broker/index.ts";
import { createClient } from "../client/index.ts";
import { sha256, toHex, toHex0x } from "../codec/index.ts";
import { sealWeights, type LoadedModel } from "../models/index.ts";
import { layerModel } from "../models/testing/models.ts";
import { LEAF_TYPES, type Tensor } from "../receipts/index.ts";
import { refusal } from "./refusal.ts";
import { startService, type RunningService } from "./service-process.ts";

const SIMULATED: AppraisalPolicyInput = {
  formatVersion: 1,
  roots: ["simulated"],
  codeIdentity: "reportedIfSimulated",
};
const HARDWARE: AppraisalPolicyInput = { formatVersion: 1 };
const secret = layerModel({ name: "secret" });
const strict = layerModel({ name: "strict" });
const lonely = layerModel({ name: "lonely" });
const uploaded = layerModel({ name: "uploaded" });
const CLI = fileURLToPath(new URL("../client/cli/main.ts", import.meta.url));
const data = new Uint8Array(Float32Array.of(1, 2).buffer);
const inputs: Tensor[] = [{ name: "x", datatype: "FP32", shape: [1, 2], data }];

const decisions: Decision[] = [];
let owner: string;
let models: string;
let broker: RunningBroker;
let service: RunningService;

beforeAll(async () => {
  owner = mkdtempSync(join(tmpdir(), "affidavit-owner-"));
  models = mkdtempSync(join(tmpdir(), "affidavit-models-"));
  const state = join(owner, "state");
  const keys = await createBrokerState(state);
  const options = { policyFor: (id: Uint8Array) => readReleasePolicy(state, id), nowMs: Date.now };
  broker = await startBroker({
    broker: new Broker({ ...keys, ...options, version: "1.2.3", onDecision: (one) => decisions.push(one) }),
    port: 0,
  });
  await writeReleasePolicy(state, secret.modelId, SIMULATED);
  await writeReleasePolicy(state, strict.modelId, HARDWARE);
  await put(secret, keys.publicKey, broker.url);
  await put(strict, keys.publicKey, broker.url);
  await put(lonely, keys.publicKey, "http://127.0.0.1:1");
  service = await startService({
    environment: { AFFIDAVIT_MODELS_DIR: models, AFFIDAVIT_ENGINE_HOSTS: "1" },
  });
}, 90_000);

afterAll(async () => {
  await service?.stop();
  await broker?.close();
  for (const folder of [owner, models]) rmSync(folder, { recursive: true, force: true });
}, 30_000);

async function put(model: LoadedModel, brokerKey: Uint8Array, url: string): Promise<void> {
  const source = join(owner, "model.onnx");
  const folder = join(models, model.manifest.name);
  await writeFile(source, await model.weights());
  await mkdir(folder);
  await writeFile(join(folder, "manifest.json"), model.manifestText);
  await writeFile(join(folder, "broker.json"), JSON.stringify({ url }));
  const { modelId, manifest } = model;
  await sealWeights(source, join(folder, "weights.sealed"), {
    brokerKey,
    modelId,
    expected: manifest.weights,
  });
  await rm(source);
}

async function command(...words: string[]): Promise<Record<string, unknown>> {
  const { url, apiKey } = service;
  const environment = { ...process.env, AFFIDAVIT_URL: url, AFFIDAVIT_API_KEY: apiKey };
  const run = promisify(execFile);
  const { stdout } = await run(process.execPath, [CLI, "models", ...words, "--json"], { env: environment });
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** Files of models and service, the database's among them, that hold weights in the clear. */
async function filesWith(weights: Uint8Array): Promise<string[]> {
  const plain = Buffer.from(weights).subarray(0, 48);
  const found: string[] = [];
  for (const root of [models, service.directory]) {
    for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      const path = join(entry.parentPath, entry.name);
      const bytes = await readFile(path).catch(() => Buffer.alloc(0));
      if (bytes.includes(plain)) found.push(path);
    }
  }
  return found;
}

function ask(name: string) {
  const { url, apiKey } = service;
  return () => createClient({ url, apiKey, policy: { allowSimulated: true } }).infer(name, inputs);
}

function killEngineHosts(): void {
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const parent = /\) \w (\d+) /.exec(readFileSync(`/proc/${pid}/stat`, "utf8"))?.[1];
      const isHost = readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("engines/host");
      if (Number(parent) === service.child.pid && isHost) process.kill(Number(pid), "SIGKILL");
    } catch {
      // It ended meanwhile.
    }
  }
}

async function loggedTypes(): Promise<number[]> {
  const note = await (await fetch(`${service.url}/log/checkpoint`)).text();
  const size = note.split("\n")[1]!;
  const bundle = Buffer.from(
    await (await fetch(`${service.url}/log/tile/entries/000.p/${size}`)).arrayBuffer(),
  );
  const types: number[] = [];
  for (let at = 0; at < bundle.length; at += 2 + bundle.readUInt16BE(at)) types.push(bundle[at + 3]!);
  return types;
}

describe("a model whose weights are sealed", () => {
  it("answers as in the clear, with a receipt that names the weights that were decrypted", async () => {
    const { outputs, manifest, verification } = await ask("secret")();
    expect(Buffer.from(outputs[0]!.data).readFloatLE(0)).toBe(5);
    expect(verification.verdict).toBe("accepted");
    expect(manifest.weights.sha256).toBe(toHex(sha256(await secret.weights())));
    expect(decisions.find(({ released }) => released)).toMatchObject({
      code: "ok",
      modelId: toHex(secret.modelId),
    });
  });

  it("has its release in the log before it runs", async () => {
    await expect.poll(loggedTypes, { timeout: 10_000 }).toContain(LEAF_TYPES.KeyRelease);
  });

  it("lies on the disk as ciphertext alone", async () => {
    expect(await filesWith(await secret.weights())).toEqual([]);
  });

  it("does not run where the owner wants hardware, or cannot be asked, and says so", async () => {
    expect(await refusal(ask("strict"))).toMatch(/ model_key_refused$/);
    await expect(ask("strict")()).rejects.toThrow("simulated_refused");
    expect(await refusal(ask("lonely"))).toMatch(/ model_key_unavailable$/);
    expect(decisions.find(({ code }) => code === "simulated_refused")).toMatchObject({
      modelId: toHex(strict.modelId),
    });
  });

  it("comes by an upload too, is its tenant's alone, and goes again", async () => {
    const [state, folder] = [join(owner, "state"), join(owner, "uploaded")];
    const { publicKey } = await openBrokerKeys(state);
    await writeReleasePolicy(state, uploaded.modelId, SIMULATED);
    await mkdir(folder);
    const [plain, manifest, sealed] = ["model.onnx", "manifest.json", "model.sealed"].map((name) =>
      join(folder, name),
    ) as [string, string, string];
    await writeFile(plain, await uploaded.weights());
    await writeFile(manifest, uploaded.manifestText);
    const {
      modelId,
      manifest: { weights: expected },
    } = uploaded;
    await sealWeights(plain, sealed, { brokerKey: publicKey, modelId, expected });
    const made = await command("upload", sealed, "--manifest", manifest, "--broker", broker.url);
    expect(made).toMatchObject({ ok: true, name: "uploaded", modelId: toHex0x(modelId) });
    expect((await ask("uploaded")()).verification.verdict).toBe("accepted");
    await rm(plain);
    expect(await filesWith(await uploaded.weights())).toEqual([]);
    expect((await fetch(`${service.url}/v2/models/uploaded`)).status).toBe(404);
    expect(await command("access", toHex(modelId))).toMatchObject({ ok: true, tenants: [] });
    expect(await command("remove", toHex(modelId))).toMatchObject({ ok: true });
    expect(await refusal(ask("uploaded"))).toMatch(/ model_not_found$/);
  }, 120_000);

  it("does not load again once its owner revoked it", async () => {
    await revokeModel(join(owner, "state"), secret.modelId);
    expect((await ask("secret")()).verification.verdict).toBe("accepted");
    killEngineHosts();
    await expect.poll(() => refusal(ask("secret")), { timeout: 15_000 }).toMatch(/ model_key_refused$/);
    await expect(ask("secret")()).rejects.toThrow("model_revoked");
    expect(decisions.at(-1)).toMatchObject({ released: false, code: "model_revoked" });
  });
});
