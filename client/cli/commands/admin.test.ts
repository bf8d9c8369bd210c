/** Administration from the command down to the database: two replicas, a clock of the test's. */
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { signAdminRequest } from "../../../administration/index.ts";
import { ownerSigner } from "../../../balances/client.ts";
import { sha256, toHex, utf8 } from "../../../codec/index.ts";
import { openAdminBench, type AdminBench } from "../../../service/admin/testing/bench.ts";
import { createTestBench } from "../../../service/routes/testing/services.ts";
import type { Command } from "../command.ts";
import { jsonLine, runCommand } from "../testing/run-command.ts";
import { COMMANDS } from "./index.ts";

const seed = sha256(utf8("administrator"));
const signer = ownerSigner("secp256k1", seed);
const folder = mkdtempSync(join(tmpdir(), "affidavit-admin-"));
const keyFile = join(folder, "admin.key");
let bench: AdminBench;

beforeAll(async () => {
  writeFileSync(keyFile, `secp256k1:${toHex(seed)}\n`);
  bench = await openAdminBench([signer.owner]);
  // The command signs for now; so does the service believe.
  vi.spyOn(Date, "now").mockImplementation(() => bench.clock.nowMs);
});
afterAll(async () => {
  vi.restoreAllMocks();
  await bench.close();
  rmSync(folder, { recursive: true });
});

function run(name: string, ...words: string[]) {
  const flags = ["--url", bench.replicas[0].url, "--admin-key", keyFile];
  return runCommand(COMMANDS[name] as Command, [...words, ...flags]);
}

async function did(name: string, ...words: string[]): Promise<Record<string, unknown>> {
  const { status, stdout } = await run(name, ...words, "--json");
  const line = jsonLine(stdout);
  expect([status, line["ok"]], stdout).toEqual([0, true]);
  return line;
}

async function refused(name: string, ...words: string[]): Promise<[number, unknown]> {
  const { status, stdout } = await run(name, ...words, "--json");
  return [status, jsonLine(stdout)["code"]];
}

async function newTenant(name: string, ...words: string[]): Promise<{ tenantId: string; key: string }> {
  const { tenantId } = await did("admin tenant create", name, ...words);
  const { key } = await did("admin key create", name, "--label", "first");
  return { tenantId: tenantId as string, key: key as string };
}

/** At the other replica, once that has looked at the database. */
async function elsewhere(path: string, key?: string, init: RequestInit = {}): Promise<Response> {
  const [, { bench: other, directory }] = bench.replicas;
  await directory.refresh();
  return await other.request(path, { ...init, ...(key && { key }) });
}

const infer = (key: string, model = "layer") => {
  const headers = { "content-type": "application/json" };
  return elsewhere(`/v2/models/${model}/infer`, key, { method: "POST", headers, body: "{}" });
};

async function codeOf(answer: Response): Promise<[number, unknown]> {
  return [answer.status, ((await answer.json()) as { code: string }).code];
}

describe("a tenant", () => {
  test("is made without any model, let in to one, and let out again", async () => {
    const { tenantId, key } = await newTenant("acme");
    expect(await codeOf(await infer(key))).toEqual([404, "model_not_found"]);
    const names = async () =>
      ((await (await elsewhere("/v1/models", key)).json()) as { models: { version: string }[] }).models.map(
        ({ version }) => version,
      );
    expect(await names()).toEqual([]);
    await did("admin model allow", "acme", "layer/1");
    expect([await names(), await (await infer(key)).text()]).toEqual([
      ["1"],
      toHex(bench.models.one.modelId),
    ]);
    expect(await codeOf(await elsewhere("/v2/models/layer/versions/2", key))).toEqual([
      404,
      "model_not_found",
    ]);
    await did("admin model allow", tenantId, toHex(bench.models.two.modelId));
    expect(await (await infer(key)).text()).toBe(toHex(bench.models.two.modelId));
    await did("admin model deny", "acme", "layer/1");
    expect(await names()).toEqual(["2"]);
    await did("admin model deny", "acme", "layer/2");
    await did("admin model allow", "acme", "--every");
    expect(await names()).toEqual(["2", "1"]);
    await did("admin model deny", "acme", "--every");
    expect(await codeOf(await infer(key))).toEqual([404, "model_not_found"]);
  });

  test("is suspended on every replica, and let in again", async () => {
    const { key } = await newTenant("slow payer");
    await did("admin model allow", "slow payer", "--every");
    expect((await infer(key)).status).toBe(200);
    expect(await did("admin tenant suspend", "slow payer")).toMatchObject({
      suspendedAt: expect.any(String),
    });
    expect(await codeOf(await infer(key))).toEqual([403, "tenant_suspended"]);
    expect(await codeOf(await elsewhere("/v1/receipts", key))).toEqual([403, "tenant_suspended"]);
    expect(await did("admin tenant resume", "slow payer")).toMatchObject({ suspendedAt: null });
    expect((await infer(key)).status).toBe(200);
  });

  test("has the limits that it was given, and its use is told", async () => {
    const { key } = await newTenant("limited", "--per-minute", "3", "--per-month", "100");
    await did("admin model allow", "limited", "--every");
    const statuses: number[] = [];
    for (let i = 0; i < 4; i++) statuses.push((await infer(key)).status);
    expect(statuses).toEqual([200, 200, 200, 429]);
    expect(
      await did("admin tenant limits", "limited", "--per-minute", "none", "--at-once", "7"),
    ).toMatchObject({
      requestsPerMinute: null,
      concurrency: 7,
      requestsPerMonth: 100,
    });
    expect((await infer(key)).headers.get("ratelimit-policy")).toBe(
      '"month";q=100, "concurrency";q=7;qu="concurrent-requests"',
    );
    await bench.replicas[1].tenants.report();
    expect(await did("admin tenant usage", "limited")).toMatchObject({
      tenant: { name: "limited" },
      months: [{ answered: 4, refused: 1, inputBytes: 8, outputBytes: 256 }],
    });
    const { stdout } = await run("admin tenant list");
    expect(stdout).toMatch(/limited +none +7 +100 +every one +active/);
    expect(stdout).toMatch(/ohttp-gateway +6000 +128 +none/);
    expect(stdout).not.toMatch(/system/);
  });

  test("has keys that are made, listed and revoked from outside", async () => {
    await did("admin tenant create", "keyed");
    const { id, key } = await did("admin key create", "keyed", "--label", "ci", "--scope", "admin");
    const list = await (await elsewhere("/v1/keys", key as string)).json();
    expect(list).toMatchObject({ keys: [{ id, label: "ci", scopes: ["admin"] }] });
    expect(await did("admin key list", "keyed")).toMatchObject({ keys: [{ id }] });
    expect(await refused("admin key revoke", "acme", id as string)).toEqual([1, "key_not_found"]);
    await did("admin key revoke", "keyed", id as string);
    bench.clock.nowMs += 5000;
    expect((await elsewhere("/v1/keys", key as string)).status).toBe(401);
  });
});

describe("a model", () => {
  test("has further names, which are moved", async () => {
    const { key } = await newTenant("follower");
    await did("admin model allow", "follower", "--every");
    await did("admin model alias", "stable", "layer/1");
    expect(await (await infer(key, "stable")).text()).toBe(toHex(bench.models.one.modelId));
    await did("admin model alias", "stable", "layer");
    expect(await (await infer(key, "stable")).text()).toBe(toHex(bench.models.two.modelId));
    expect(await (await elsewhere("/v1/models")).json()).toMatchObject({
      aliases: [{ name: "stable", modelId: `0x${toHex(bench.models.two.modelId)}` }],
    });
    const outsider = await newTenant("outsider");
    expect(await codeOf(await infer(outsider.key, "stable"))).toEqual([404, "model_not_found"]);
    expect(await refused("admin model alias", "layer", "layer/1")).toEqual([1, "alias_taken"]);
    await did("admin model alias", "stable", "--remove");
    expect(await codeOf(await infer(key, "stable"))).toEqual([404, "model_not_found"]);
    expect(await refused("admin model alias", "stable", "--remove")).toEqual([1, "alias_not_found"]);
  });

  test("says that it is deprecated, and is refused once its time is over", async () => {
    const { key } = await newTenant("late");
    await did("admin model allow", "late", "--every");
    const sunset = new Date(Math.ceil(bench.clock.nowMs / 1000) * 1000 + 60_000);
    await did("admin model deprecate", "layer/2", "--since", "2026-01-01", "--sunset", sunset.toISOString());
    const told = { deprecation: "@1767225600", sunset: sunset.toUTCString() };
    for (const answer of [await infer(key), await elsewhere("/v2/models/layer", key)]) {
      expect(answer.status).toBe(200);
      expect(Object.fromEntries(answer.headers)).toMatchObject(told);
    }
    expect((await elsewhere("/v2/models/layer/versions/1", key)).headers.has("sunset")).toBe(false);
    bench.clock.nowMs = sunset.getTime();
    const over = await infer(key);
    expect(Object.fromEntries(over.headers)).toMatchObject(told);
    expect(await codeOf(over)).toEqual([410, "model_sunset"]);
    expect(await codeOf(await elsewhere("/v2/models/layer/ready", key))).toEqual([410, "model_sunset"]);
    await did("admin model deprecate", "layer/2", "--undo");
    expect((await infer(key)).status).toBe(200);
    expect(await refused("admin model deprecate", "layer/2", "--undo")).toEqual([1, "deprecation_not_found"]);
  });
});

describe("what is not there, or not meant", () => {
  test.each([
    [["admin tenant suspend", "00000000-0000-4000-8000-0000000000ff"], 1, "tenant_not_found"],
    [["admin tenant suspend", "00000000-0000-0000-0000-000000000000"], 1, "tenant_not_found"],
    [["admin tenant suspend", "nobody"], 2, "usage"],
    [["admin tenant limits", "acme"], 2, "usage"],
    [["admin tenant limits", "acme", "--per-minute", "0"], 2, "usage"],
    [["admin tenant create", "\u0007"], 1, "request_invalid"],
    [["admin tenant create"], 2, "usage"],
    [["admin model allow", "acme", "00".repeat(32)], 1, "model_not_found"],
    [["admin model allow", "acme"], 2, "usage"],
    [["admin model allow", "acme", "nothing"], 2, "usage"],
    [["admin model alias", "UPPER", "layer"], 1, "request_invalid"],
    [["admin log", "--limit", "0"], 2, "usage"],
    [["admin keygen", "there", "--scheme", "rsa"], 2, "usage"],
  ])("%s", async ([name, ...words], status, code) => {
    if (name === "admin keygen")
      return expect((await runCommand(COMMANDS[name]!, words)).status).toBe(status);
    expect(await refused(name!, ...words)).toEqual([status, code]);
  });

  test("a name that two have is asked back", async () => {
    await did("admin tenant create", "twin");
    await did("admin tenant create", "twin");
    expect(await refused("admin tenant suspend", "twin")).toEqual([2, "usage"]);
  });
});

/** Of a request whose path goes out as it is written. */
async function rawStatus(url: string, path: string, headers: Record<string, string>): Promise<number> {
  const { hostname, port } = new URL(url);
  return await new Promise((done, failed) => {
    request({ hostname, port, path, method: "POST", headers }, (answer) => {
      answer.resume();
      done(answer.statusCode!);
    })
      .on("error", failed)
      .end();
  });
}

describe("a request", () => {
  const path = "/v1/admin/tenants";
  const audience = "localhost/affidavit";
  const body = '{"name":"once"}';
  let drawn = 0;

  async function headersOf(over: { audience?: string; expiresInMs?: number; by?: typeof signer } = {}) {
    const nonce = sha256(utf8(`nonce ${drawn++}`));
    const expiresAtMs = BigInt(bench.clock.nowMs + (over.expiresInMs ?? 60_000));
    const sent = { audience: over.audience ?? audience, method: "POST", path, body: utf8(body) };
    return await signAdminRequest(over.by ?? signer, sent, { nonce, expiresAtMs });
  }
  const send = (headers: Record<string, string>, replica = 0, over: { body?: string; path?: string } = {}) =>
    bench.replicas[replica]!.bench.request(over.path ?? path, {
      method: "POST",
      headers,
      body: over.body ?? body,
    });

  test("is taken once, on whichever replica it comes again", async () => {
    const headers = await headersOf();
    expect((await send(headers)).status).toBe(201);
    for (const replica of [0, 1, 0])
      expect(await codeOf(await send(headers, replica))).toEqual([409, "admin_request_replayed"]);
    // Not even where the database forgot it, at the replica that had it.
    await bench.database.pool.query("DELETE FROM admin_nonces");
    expect(await codeOf(await send(headers))).toEqual([409, "admin_request_replayed"]);
    const { rows } = await bench.database.pool.query(
      "SELECT count(*)::int AS n FROM tenants WHERE name = 'once'",
    );
    expect(rows).toEqual([{ n: 1 }]);
  });

  test("is refused forged, altered, for another service, by anybody else, and too late", async () => {
    const stranger = ownerSigner("ed25519", sha256(utf8("stranger")));
    const cases: [string, Promise<Response>][] = [
      ["admin_request_malformed", send({})],
      ["admin_request_malformed", send({ authorization: "Bearer root" })],
      ["admin_key_unknown", send(await headersOf({ by: stranger }))],
      ["admin_signature_invalid", send(await headersOf({ audience: "elsewhere.example/log" }))],
      ["admin_signature_invalid", send(await headersOf(), 0, { body: '{"name":"twice"}' })],
      ["admin_signature_invalid", send(await headersOf(), 0, { path: `${path}?x=1` })],
      ["admin_request_expired", send(await headersOf({ expiresInMs: 0 }))],
      ["admin_expiry_too_far", send(await headersOf({ expiresInMs: 121_000 }))],
    ];
    for (const [code, answer] of cases) expect((await codeOf(await answer))[1]).toBe(code);
    const before = await did("admin log");
    expect(JSON.stringify(before)).not.toContain("twice");
  });

  test("is held to the path that was sent, however that is spelt", async () => {
    const { tenantId } = await did("admin tenant create", "spelt");
    const one = `${path}/${String(tenantId)}`;
    const sent = { audience, method: "POST", path: `${one}/resume`, body: new Uint8Array(0) };
    const expiresAtMs = BigInt(bench.clock.nowMs + 60_000);
    for (const spelling of [
      `${one}/suspend/../resume`,
      `${one}/%72esume`,
      `${one}/./resume`,
      `${one}/resume?`,
    ]) {
      const nonce = sha256(utf8(`nonce ${drawn++}`));
      const headers = await signAdminRequest(signer, sent, { nonce, expiresAtMs });
      expect([spelling, await rawStatus(bench.replicas[0].url, spelling, headers)]).not.toEqual([
        spelling,
        200,
      ]);
    }
    const nonce = sha256(utf8(`nonce ${drawn++}`));
    const headers = await signAdminRequest(signer, sent, { nonce, expiresAtMs });
    expect(await rawStatus(bench.replicas[0].url, `${one}/resume`, headers)).toBe(200);
  });

  test("gets nothing where nobody administers", async () => {
    const off = createTestBench();
    const answer = await off.request(path, { method: "POST", headers: await headersOf(), body });
    expect(await codeOf(answer)).toEqual([403, "admin_off"]);
    for (const route of ["/v1/admin/log", `${path}/00000000-0000-4000-8000-0000000000ff/usage`])
      expect((await codeOf(await bench.replicas[0].bench.request(route)))[1]).toBe("admin_request_malformed");
  });
});

describe("the administrators' log", () => {
  test("tells who did what, in requests that their key signed", async () => {
    const { entries } = await did("admin log", "--limit", "3");
    expect(entries).toHaveLength(3);
    const made = (await did("admin tenant create", "logged"))["tenantId"];
    const [newest] = (await did("admin log", "--limit", "1"))["entries"] as Record<string, unknown>[];
    expect(newest).toMatchObject({
      method: "POST",
      path: "/v1/admin/tenants",
      body: '{"name":"logged"}',
      signer: `secp256k1:0x${toHex(signer.owner.key)}`,
      verified: true,
    });
    expect(made).toBeDefined();
    const before = String(newest!["index"]);
    const older = (await did("admin log", "--limit", "2", "--before", before))["entries"] as {
      index: string;
    }[];
    expect(older.every(({ index }) => BigInt(index) < BigInt(before))).toBe(true);
    expect((await run("admin log", "--limit", "1")).stdout).toMatch(
      /✓ signed .*POST \/v1\/admin\/tenants .*logged/,
    );
  });

  test("holds no key, and is only ever added to", async () => {
    const { key } = await did("admin key create", "logged", "--label", "secret");
    const { rows } = await bench.database.pool.query("SELECT * FROM admin_log");
    expect(JSON.stringify(rows.map((row) => ({ ...row, body: String(row.body) })))).not.toContain(key);
    for (const statement of [
      "UPDATE admin_log SET path = '/'",
      "DELETE FROM admin_log",
      "TRUNCATE admin_log",
    ])
      await expect(bench.database.pool.query(statement)).rejects.toThrow("append-only");
  });

  test("shows where somebody with more rights changed it all the same", async () => {
    const change = "ALTER TABLE admin_log DISABLE TRIGGER admin_log_append_only;";
    await bench.database.pool.query(`${change} UPDATE admin_log SET path = '/v1/admin/x' WHERE index = 1`);
    const { status, stdout } = await run("admin log", "--limit", "1000", "--json");
    const line = jsonLine(stdout) as { code: string; entries: { index: string; verified: boolean }[] };
    expect([status, line.code]).toEqual([1, "admin_signature_invalid"]);
    expect(line.entries.filter(({ verified }) => !verified).map(({ index }) => index)).toEqual(["1"]);
  });
});

test("an administrator's key is made for its owner alone", async () => {
  const file = join(folder, "made.key");
  const { status, stdout } = await runCommand(COMMANDS["admin keygen"]!, [file, "--json"]);
  expect([status, statSync(file).mode & 0o777]).toEqual([0, 0o600]);
  expect(jsonLine(stdout)["key"]).toMatch(/^ed25519:0x[0-9a-f]{64}$/);
});
