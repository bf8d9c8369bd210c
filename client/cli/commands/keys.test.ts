import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ADMIN_KEY, createTestBench, KEY } from "../../../service/routes/testing/services.ts";
import { jsonLine, runCommand, type CommandRun } from "../testing/run-command.ts";
import { keysCreate, keysList, keysRevoke } from "./keys.ts";

/** The service's own application over HTTP, with keys in memory. */
const bench = createTestBench();
/** What a hostile server answers to everything. */
let hostileAnswer = "";
const servers: Server[] = [];
let url = "";
let hostileUrl = "";

async function listen(server: Server): Promise<string> {
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

beforeAll(async () => {
  url = await listen(createServer(getRequestListener(bench.app.fetch)));
  hostileUrl = await listen(createServer((_, response) => void response.end(hostileAnswer)));
});
afterAll(() => servers.forEach((server) => server.close()));

const asAdmin = () => ["--url", url, "--key", ADMIN_KEY];

async function made(words: string[]): Promise<{ id: string; key: string }> {
  const run = await runCommand(keysCreate, [...words, ...asAdmin(), "--json"]);
  expect(run.status).toBe(0);
  return jsonLine(run.stdout) as { id: string; key: string };
}

function expectCode(run: CommandRun, status: number, code: string): void {
  expect([run.status, jsonLine(run.stdout)]).toEqual([status, expect.objectContaining({ ok: false, code })]);
}

describe("keys", () => {
  test("are made, listed, used and revoked", async () => {
    const { id, key } = await made(["--label", "laptop", "--scope", "infer", "--scope", "admin"]);
    expect((await bench.request("/v1/keys", { key })).status).toBe(200);
    const list = jsonLine((await runCommand(keysList, [...asAdmin(), "--json"])).stdout);
    expect(list["keys"]).toContainEqual(
      expect.objectContaining({ id, label: "laptop", scopes: ["infer", "admin"] }),
    );
    expect(JSON.stringify(list)).not.toContain(key);
    const revoked = await runCommand(keysRevoke, [id, ...asAdmin(), "--json"]);
    expect([revoked.status, jsonLine(revoked.stdout)]).toEqual([0, { ok: true, code: "ok", id }]);
    expect((await bench.request("/v1/keys", { key })).status).toBe(401);
    expectCode(await runCommand(keysRevoke, [id, ...asAdmin(), "--json"]), 1, "key_not_found");
  });

  test("show people what they need, and the key once", async () => {
    const run = await runCommand(keysCreate, ["--label", "phone", "--expires", "2999-01-01", ...asAdmin()]);
    const key = /test-[0-9a-f]{32}/.exec(run.stdout)![0];
    const list = await runCommand(keysList, asAdmin());
    expect(list.stdout).toMatch(/phone +infer .*live until 2999-01-01T00:00:00\.000Z/);
    expect(list.stdout).not.toContain(key);
  });

  test("may infer and no more where nothing else is asked for", async () => {
    const { key } = await made(["--label", "plain"]);
    expectCode(await runCommand(keysList, ["--url", url, "--key", key, "--json"]), 1, "scope_missing");
  });

  test("the service's refusal comes through with its code", async () => {
    expectCode(await runCommand(keysList, ["--url", url, "--key", KEY, "--json"]), 1, "scope_missing");
    expectCode(
      await runCommand(keysList, ["--url", url, "--key", `${KEY}x`, "--json"]),
      1,
      "api_key_invalid",
    );
    const words = ["--label", "x", "--scope", "root", ...asAdmin(), "--json"];
    expectCode(await runCommand(keysCreate, words), 1, "request_invalid");
  });

  test.each([
    [keysCreate, []],
    [keysCreate, ["--label", "x", "--expires", "soon"]],
    [keysCreate, ["--label", "x", "extra"]],
    [keysCreate, ["--label", "x", "--scopes", "infer"]],
    [keysList, ["extra"]],
    [keysList, ["--url", "nowhere"]],
    [keysRevoke, []],
    [keysRevoke, ["one", "two"]],
  ])("refuses bad flags %#", async (command, words) => {
    expectCode(await runCommand(command, [...words, "--json"]), 2, "usage");
  });

  test.each([["null"], ["[]"], ['{"keys":[{}]}'], ['{"keys":{"length":1}}'], ["\u0000"], ["{"]])(
    "an answer that is none is named so: %j",
    async (answer) => {
      hostileAnswer = answer;
      const run = await runCommand(keysList, ["--url", hostileUrl, "--key", ADMIN_KEY, "--json"]);
      expectCode(run, 1, "server_response_invalid");
    },
  );

  test("a server's control characters do not reach the terminal", async () => {
    const row = { id: "i", accountId: "a", prefix: "p", createdAt: "c", expiresAt: null, revokedAt: null };
    hostileAnswer = JSON.stringify({ keys: [{ ...row, label: "\u001b[2Jgone", scopes: ["\u0007"] }] });
    const run = await runCommand(keysList, ["--url", hostileUrl, "--key", ADMIN_KEY]);
    expect(run.status).toBe(0);
    for (const character of ["\u0007", "\u001b"]) expect(run.stdout).not.toContain(character);
  });
});
