import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { getRequestListener } from "@hono/node-server";
import { afterAll, beforeAll, expect, test } from "vitest";
import { ADMIN_KEY, createTestBench, KEY } from "../../../service/routes/testing/services.ts";
import { jsonLine, runCommand } from "../testing/run-command.ts";
import { sealingKeysList, sealingKeysRotate } from "./sealing-keys.ts";

const bench = createTestBench();
let server: Server;
let url: string;

beforeAll(async () => {
  server = createServer(getRequestListener(bench.app.fetch));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => server.close());

test("sealing keys are listed and rotated by an administrator alone", async () => {
  const asAdmin = ["--url", url, "--key", ADMIN_KEY];
  const list = await runCommand(sealingKeysList, asAdmin);
  expect([list.status, list.stdout]).toEqual([0, expect.stringMatching(/2 +(02)+ .*newest/)]);
  const rotated = jsonLine((await runCommand(sealingKeysRotate, [...asAdmin, "--json"])).stdout);
  expect(rotated).toMatchObject({ ok: true, keys: [{ epoch: 3, endsAt: null }, { epoch: 2 }, { epoch: 1 }] });
  const ended = jsonLine((await runCommand(sealingKeysRotate, ["--end-older", ...asAdmin, "--json"])).stdout);
  expect(ended["keys"]).toEqual([expect.objectContaining({ epoch: 4 })]);
  for (const command of [sealingKeysList, sealingKeysRotate]) {
    const refused = await runCommand(command, ["--url", url, "--key", KEY, "--json"]);
    expect([refused.status, jsonLine(refused.stdout)]).toMatchObject([
      1,
      { ok: false, code: "scope_missing" },
    ]);
  }
  const malformed = await bench.request("/v1/sealing-keys", {
    method: "POST",
    key: ADMIN_KEY,
    body: '{"x":1}',
  });
  expect(malformed.status).toBe(400);
});
