/**
 * Two whole services on one PostgreSQL, administered by signed requests: what one is told, the other keeps to within three
 * seconds. A sealed model that one took is served by the other.
 */
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import {
  Broker,
  createBrokerState,
  openBrokerKeys,
  readReleasePolicy,
  startBroker,
  writeReleasePolicy,
  type RunningBroker,
} from "../client/broker/index.ts";
import { toHex } from "../codec/index.ts";
import { sealWeights } from "../models/index.ts";
import { layerModel } from "../models/testing/models.ts";
import { temporaryDirectory } from "./folder.ts";
import { startTestServer } from "./postgres.ts";
import { infer, smallCall, type Answer } from "./service-load.ts";
import { startService, type RunningService } from "./service-process.ts";

const CLI = fileURLToPath(new URL("../client/cli/main.ts", import.meta.url));
const folder = temporaryDirectory();
const adminKey = join(folder.path, "admin.key");
const uploaded = layerModel({ name: "uploaded" });
const execute = promisify(execFile);
let server: Awaited<ReturnType<typeof startTestServer>>;
let replicas: RunningService[] = [];
let broker: RunningBroker;

/** The command's one line, by the administrator of the first replica. */
async function affidavit(environment: Record<string, string>, ...words: string[]) {
  const env = {
    PATH: process.env["PATH"],
    HOME: folder.path,
    AFFIDAVIT_ADMIN_KEY_FILE: adminKey,
    ...environment,
  };
  const { stdout } = await execute(process.execPath, [CLI, ...words, "--json"], { env });
  return JSON.parse(stdout) as Record<string, unknown>;
}
const admin = (...words: string[]) => affidavit({ AFFIDAVIT_URL: replicas[0]!.url }, "admin", ...words);

async function start(i: number, adminKeys: string): Promise<RunningService> {
  const { user, password, host, port, database } = server.connection;
  const place = `host=${encodeURIComponent(String(host))}&port=${port}`;
  const directory = join(folder.path, `replica-${i}`);
  mkdirSync(directory, { recursive: true, mode: 0o711 });
  const environment = {
    DATABASE_URL: `postgres://${user}:${encodeURIComponent(String(password))}@localhost/${database}?${place}`,
    AFFIDAVIT_ADMIN_KEYS: adminKeys,
    AFFIDAVIT_ENGINE_HOSTS: "1",
  };
  return await startService({ directory, environment });
}

beforeAll(async () => {
  server = await startTestServer();
  const { stdout } = await execute(process.execPath, [CLI, "admin", "keygen", adminKey, "--json"]);
  const { key } = JSON.parse(stdout) as { key: string };
  replicas.push(await start(0, key));
  mkdirSync(join(folder.path, "replica-1"), { recursive: true, mode: 0o711 });
  const vaults = [0, 1].map((i) => join(folder.path, `replica-${i}`, "vault"));
  // One cluster: the second replica has the first one's keys.
  execFileSync("cp", ["-a", vaults[0]!, vaults[1]!]);
  replicas.push(await start(1, key));
  const state = join(folder.path, "broker");
  const keys = await createBrokerState(state);
  const policyFor = (id: Uint8Array) => readReleasePolicy(state, id);
  broker = await startBroker({
    broker: new Broker({ ...keys, policyFor, nowMs: Date.now, version: "1.2.3", onDecision: () => {} }),
    port: 0,
  });
}, 120_000);
afterAll(async () => {
  for (const replica of replicas) await replica.stop();
  await broker?.close();
  await server?.remove();
  folder.remove();
}, 60_000);

async function tenant(name: string, ...limits: string[]): Promise<{ id: string; key: string }> {
  const { tenantId } = await admin("tenant", "create", name, ...limits);
  const { key } = await admin(
    "key",
    "create",
    name,
    "--label",
    "first",
    "--scope",
    "infer",
    "--scope",
    "admin",
  );
  return { id: tenantId as string, key: key as string };
}

const ask = (i: number, apiKey: string): Promise<Answer> =>
  infer({ url: replicas[i]!.url, apiKey }, smallCall("breast-cancer"));

/** Until it is so at both: three seconds at most. */
async function soonAtBoth(apiKey: string, expected: unknown[]): Promise<void> {
  await vi.waitFor(
    async () => {
      for (const i of [0, 1]) {
        const { status, code } = await ask(i, apiKey);
        expect([status, ...(code === undefined ? [] : [code])]).toEqual(expected);
      }
    },
    { timeout: 3000, interval: 100 },
  );
}

describe("two replicas", () => {
  test("let a tenant in, out, and hold it up, within three seconds", async () => {
    const { key } = await tenant("acme");
    await soonAtBoth(key, [404, "model_not_found"]);
    await admin("model", "allow", "acme", "breast-cancer");
    await soonAtBoth(key, [200]);
    await admin("tenant", "suspend", "acme");
    await soonAtBoth(key, [403, "tenant_suspended"]);
    await admin("tenant", "resume", "acme");
    await soonAtBoth(key, [200]);
  });

  test("keep one limit between them, under load", async () => {
    const { key } = await tenant("limited", "--per-minute", "120");
    await admin("model", "allow", "limited", "--every");
    await vi.waitFor(async () => expect((await ask(1, key)).status).toBe(200), { timeout: 3000 });
    const startedMs = performance.now();
    const answers = await Promise.all(Array.from({ length: 400 }, (_, i) => ask(i % 2, key)));
    const tookMs = performance.now() - startedMs;
    const answered = answers.filter(({ status }) => status === 200).length;
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200, 429]));
    // A minute's worth and what came meanwhile, less what the wait above took.
    expect(answered).toBeGreaterThan(100);
    expect(answered).toBeLessThanOrEqual(120 + Math.ceil((2 * tookMs) / 1000));
    const refused = answers.find(({ status }) => status === 429)!;
    expect(refused.headers.get("retry-after")).toMatch(/^[1-9]/);
    expect(refused.headers.get("ratelimit-policy")).toBe('"minute";q=120;w=60');
    await vi.waitFor(
      async () => {
        const { months } = (await admin("tenant", "usage", "limited")) as { months: { answered: number }[] };
        expect(months[0]!.answered).toBeGreaterThanOrEqual(answered);
      },
      { timeout: 10_000, interval: 500 },
    );
  });

  test("serve a sealed model that came in parts to both of them", async () => {
    const { key } = await tenant("owner");
    const state = join(folder.path, "broker");
    const { publicKey } = await openBrokerKeys(state);
    await writeReleasePolicy(state, uploaded.modelId, {
      formatVersion: 1,
      roots: ["simulated"],
      codeIdentity: "reportedIfSimulated",
    });
    const place = await mkdtemp(join(folder.path, "model-"));
    const [plain, sealed, manifest] = ["plain", "sealed", "manifest.json"].map((name) =>
      join(place, name),
    ) as [string, string, string];
    await writeFile(plain, await uploaded.weights());
    writeFileSync(manifest, uploaded.manifestText);
    const { weights: expected } = uploaded.manifest;
    await sealWeights(plain, sealed, { brokerKey: publicKey, modelId: uploaded.modelId, expected });
    const at = { AFFIDAVIT_URL: replicas[1]!.url, AFFIDAVIT_API_KEY: key };
    await affidavit(at, "models", "upload", sealed, "--manifest", manifest, "--broker", broker.url);
    const body = JSON.stringify({ inputs: [{ name: "x", datatype: "FP32", shape: [1, 2], data: [1, 2] }] });
    const run = (i: number) =>
      fetch(`${replicas[i]!.url}/v2/models/uploaded/infer`, {
        method: "POST",
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        body,
      });
    for (const i of [1, 0])
      await vi.waitFor(async () => expect((await run(i)).status).toBe(200), { timeout: 5000, interval: 200 });
    await affidavit(at, "models", "remove", toHex(uploaded.modelId));
    for (const i of [1, 0])
      await vi.waitFor(async () => expect((await run(i)).status).toBe(404), { timeout: 3000, interval: 100 });
  });

  test("answer under an alias, which the command follows and holds the receipt to", async () => {
    await admin("model", "alias", "stable", "breast-cancer");
    const { url, apiKey } = replicas[1]!;
    const example = fileURLToPath(new URL("../models/zoo/breast-cancer/example.json", import.meta.url));
    await vi.waitFor(
      async () => {
        const at = { AFFIDAVIT_URL: url, AFFIDAVIT_API_KEY: apiKey };
        const answer = await affidavit(at, "infer", "stable", "--input", example, "--allow-simulated");
        expect(answer).toMatchObject({ ok: true, model: { name: "breast-cancer" } });
      },
      { timeout: 20_000, interval: 500 },
    );
  });

  test("tell what was done, whichever is asked", async () => {
    const { entries } = await affidavit(
      { AFFIDAVIT_URL: replicas[1]!.url },
      "admin",
      "log",
      "--limit",
      "1000",
    );
    const rows = entries as { path: string; verified: boolean }[];
    expect(rows.every(({ verified }) => verified)).toBe(true);
    expect(rows.filter(({ path }) => path.endsWith("/suspend"))).toHaveLength(1);
  });
});
