import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getRequestListener } from "@hono/node-server";
import { afterAll, beforeAll, expect, test } from "vitest";
import { verifyVaultPolicy } from "../../../receipts/index.ts";
import { ADMIN_KEY, createTestBench, KEY } from "../../../service/routes/testing/services.ts";
import { jsonLine, runCommand } from "../testing/run-command.ts";
import { vaultPolicyShow, vaultPolicySign, vaultPolicySubmit } from "./vault-policy.ts";

const bench = createTestBench();
const folder = mkdtempSync(join(tmpdir(), "policy-"));
const path = (name: string) => join(folder, name);
let server: Server;
let asAdmin: string[];

beforeAll(async () => {
  server = createServer(getRequestListener(bench.app.fetch));
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  asAdmin = ["--url", `http://127.0.0.1:${(server.address() as AddressInfo).port}`, "--key", ADMIN_KEY];
  writeFileSync(path("owner.key"), `${"05".repeat(32)}\n`);
  const limits = {
    operationsPerHour: { sign: 9 },
    weiPerTransaction: null,
    weiPerHour: "7",
    creditAtomic: null,
  };
  writeFileSync(path("limits.json"), JSON.stringify(limits));
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

const signing = (...words: string[]) => [
  path("limits.json"),
  "--out",
  path("policy.json"),
  ...words,
  "--json",
];

test("a policy is signed, submitted and shown", async () => {
  const none = await runCommand(vaultPolicyShow, asAdmin);
  expect(none.stdout).toContain("none: the vault's defaults hold");
  const signed = await runCommand(vaultPolicySign, signing("--version", "3", "--key", path("owner.key")));
  expect([signed.status, jsonLine(signed.stdout)]).toMatchObject([0, { ok: true }]);
  const text = readFileSync(path("policy.json"), "utf8");
  const { version, limits } = verifyVaultPolicy(text);
  expect([version, limits.weiPerHour, [...limits.operationsPerHour]]).toEqual([3, 7n, [["sign", 9]]]);
  const submitted = await runCommand(vaultPolicySubmit, [path("policy.json"), ...asAdmin, "--json"]);
  expect([submitted.status, jsonLine(submitted.stdout)]).toMatchObject([0, { ok: true, leafIndex: "5" }]);
  const shown = jsonLine((await runCommand(vaultPolicyShow, [...asAdmin, "--json"])).stdout);
  expect(shown).toMatchObject({ document: text, used: [{ operation: "recordKey", used: 3, perHour: 9 }] });
  const refused = await runCommand(vaultPolicyShow, [...asAdmin.slice(0, 2), "--key", KEY, "--json"]);
  expect([refused.status, jsonLine(refused.stdout)]).toMatchObject([1, { code: "scope_missing" }]);
});

test("what is no policy is refused before anything is sent", async () => {
  writeFileSync(path("bad.json"), '{"operationsPerHour": []}');
  const key = ["--key", path("owner.key")];
  const cases: [typeof vaultPolicySign, string[]][] = [
    [vaultPolicySign, [path("bad.json"), "--version", "1", ...key, "--out", path("x"), "--json"]],
    [vaultPolicySign, signing("--version", "0", ...key)],
    [vaultPolicySign, signing("--version", "1")],
    [vaultPolicySign, signing("--version", "1", "--key", path("limits.json"))],
    [vaultPolicySubmit, [path("bad.json"), ...asAdmin, "--json"]],
  ];
  for (const [command, words] of cases) {
    const { status, stdout } = await runCommand(command, words);
    expect([status, jsonLine(stdout)], words.join(" ")).toMatchObject([2, { ok: false }]);
  }
});
