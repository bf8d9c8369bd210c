/** A second service on the same database gets the cluster's keys from the first one's vault, and answers with them. */
import { mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ed25519 } from "@noble/curves/ed25519.js";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Client } from "pg";
import { createClient } from "../client/index.ts";
import { toHex } from "../codec/index.ts";
import { parseInferRequest } from "../models/client.ts";
import { CLUSTER_KEYS_ID, LEAF_TYPES } from "../receipts/index.ts";
import { temporaryDirectory } from "./folder.ts";
import { startTestServer } from "./postgres.ts";
import { spawnService, startService, type RunningService } from "./service-process.ts";

const folder = temporaryDirectory();
const { inputs } = parseInferRequest(
  readFileSync(new URL("../models/zoo/breast-cancer/example.json", import.meta.url)),
);
/** Both services are one owner's. */
const OWNER = toHex(ed25519.getPublicKey(new Uint8Array(32).fill(5)));
let server: Awaited<ReturnType<typeof startTestServer>>;
const services: RunningService[] = [];

beforeAll(async () => {
  server = await startTestServer();
  const client = new Client(server.administration);
  await client.connect();
  await client.query("CREATE DATABASE joined");
  await client.end();
}, 60_000);
afterAll(async () => {
  for (const service of services) await service.stop();
  await server.stop();
  folder.remove();
});

function environment(): Record<string, string> {
  const { user, password, host, port } = server.administration;
  const place = `host=${encodeURIComponent(String(host))}&port=${port}`;
  const url = `postgres://${user}:${encodeURIComponent(String(password))}@localhost/joined?${place}`;
  return { DATABASE_URL: url, AFFIDAVIT_CHECKPOINT_INTERVAL_MS: "200", AFFIDAVIT_OWNER_KEY: OWNER };
}

const directoryOf = (name: string): string => {
  const path = join(folder.path, name);
  mkdirSync(path, { recursive: true, mode: 0o711 });
  return path;
};

const infer = ({ url, apiKey }: RunningService) =>
  createClient({ url, apiKey, policy: { allowSimulated: true } }).infer("breast-cancer", inputs);

test("a service joins another, on one log, and what one sealed the other opens", async () => {
  const first = await startService({ directory: directoryOf("first"), environment: environment() });
  services.push(first);
  const before = await infer(first);
  const joining = { ...environment(), AFFIDAVIT_JOIN: first.url, AFFIDAVIT_JOIN_KEY: first.apiKey };
  const second = await startService({ directory: directoryOf("second"), environment: joining });
  services.push(second);
  expect(second.output()).toContain("the vault got its cluster's keys");
  const after = await infer(second);
  expect(after.outputs).toEqual(before.outputs);
  expect(after.verification.verdict).toBe("accepted");
  const logKeys = [before, after].map(
    ({ receipt }) => (JSON.parse(receipt.keyset) as { affidavit: { log: unknown } }).affidavit.log,
  );
  expect(logKeys[1]).toEqual(logKeys[0]);
  // Its start needs the other one no more.
  await second.stop();
  services.pop();
  await first.stop();
  services.pop();
  const again = await startService({ directory: directoryOf("second"), environment: joining });
  services.push(again);
  expect((await infer(again)).outputs).toEqual(before.outputs);
  const pool = new Client({ ...server.administration, database: "joined" });
  await pool.connect();
  const { rows } = await pool.query<{ words: Buffer }>("SELECT words FROM statements WHERE type = $1", [
    LEAF_TYPES.KeyRelease,
  ]);
  await pool.end();
  expect(rows).toHaveLength(1);
  expect(rows[0]!.words.includes(Buffer.from(CLUSTER_KEYS_ID))).toBe(true);
}, 120_000);

test("a service that gets no keys does not start, and says why", async () => {
  const [owner] = services;
  const wrong: [Record<string, string>, string][] = [
    [{ AFFIDAVIT_JOIN: owner!.url }, "joining needs a key"],
    [{ AFFIDAVIT_JOIN: owner!.url, AFFIDAVIT_JOIN_KEY: "not-a-key-of-anybody" }, "api_key_invalid"],
    [
      { AFFIDAVIT_JOIN: owner!.url, AFFIDAVIT_JOIN_KEY: owner!.apiKey, AFFIDAVIT_OWNER_KEY: "00".repeat(32) },
      "policy_owner_unknown",
    ],
    [{ AFFIDAVIT_JOIN: "http://127.0.0.1:9", AFFIDAVIT_JOIN_KEY: owner!.apiKey }, "does not answer"],
  ];
  for (const [i, [extra, said]] of wrong.entries()) {
    const child = spawnService(directoryOf(`wrong-${i}`), { ...environment(), ...extra });
    let output = "";
    child.stderr!.setEncoding("utf8").on("data", (text: string) => (output += text));
    const code = await new Promise((done) => child.once("exit", done));
    expect([code, output]).toEqual([1, expect.stringContaining(said)]);
  }
}, 120_000);
