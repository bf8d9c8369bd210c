/** What the README opens with, on a fresh clone, with the npm and the Node that are there. */
import { statSync } from "node:fs";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { Newcomer, type Finished, type Service } from "./newcomer.ts";

const PROJECT = resolve(import.meta.dirname, "..");
const START_LIMIT_MS = 120_000;
const INPUT = ["--input", "models/zoo/breast-cancer/example.json"];

describe.each([["10"], ["11"]])("a clone, with npm %s", (major) => {
  const newcomer = new Newcomer();
  const clone = join(newcomer.directory, "clone");
  const tools = join(newcomer.directory, "tools");
  const npm = ["node", join(tools, "node_modules/npm/bin/npm-cli.js")];
  let service: Service;
  let tookMs: number;

  beforeAll(async () => {
    const cloned = await newcomer.run(["git", "clone", "--quiet", PROJECT, clone], newcomer.directory);
    expect(cloned.status, cloned.output).toBe(0);
    const fetched = await newcomer.run(
      ["npm", "install", "--prefix", tools, `npm@${major}`],
      newcomer.directory,
    );
    expect(fetched.status, fetched.output).toBe(0);
    const startedMs = Date.now();
    const installed = await newcomer.run([...npm, "ci"], clone);
    expect(installed.status, installed.output).toBe(0);
    service = await newcomer.serve([...npm, "start"], clone, START_LIMIT_MS);
    tookMs = Date.now() - startedMs;
  }, 600_000);
  afterAll(async () => {
    await service?.stop();
    newcomer.remove();
  });

  const affidavit = (...words: string[]): Promise<Finished> =>
    newcomer.run(["npx", "affidavit", ...words], clone, { AFFIDAVIT_URL: service.url });

  test("serves within two minutes, and says where things are and what is off", async () => {
    expect(tookMs).toBeLessThan(START_LIMIT_MS);
    for (const path of ["/docs", "/v1/attestation", "/readyz"]) {
      expect(service.output()).toContain(service.url + path);
      expect((await fetch(service.url + path)).status).toBe(200);
    }
    expect(service.output()).toMatch(/SIMULATED[^]*Off:\n +hardware attestation: /);
  });

  test("infers and verifies, and refuses both by name without the flag", async () => {
    const accepted = ["--allow-simulated", "--json"];
    const inferred = await affidavit(
      "infer",
      "breast-cancer",
      ...INPUT,
      "--save",
      "receipt.json",
      ...accepted,
    );
    expect(inferred.status, inferred.output).toBe(0);
    expect(JSON.parse(inferred.stdout)).toMatchObject({ ok: true, simulated: true });
    expect(statSync(join(clone, "receipt.json.private")).mode & 0o777).toBe(0o600);
    const verified = await affidavit("verify", "receipt.json", ...accepted);
    expect([verified.status, JSON.parse(verified.stdout)]).toEqual([
      0,
      expect.objectContaining({ ok: true }),
    ]);
    for (const words of [
      ["infer", "breast-cancer", ...INPUT],
      ["verify", "receipt.json"],
    ]) {
      const refused = await affidavit(...words, "--json");
      expect([refused.status, JSON.parse(refused.stdout)]).toEqual([
        1,
        expect.objectContaining({ ok: false, code: "simulated_refused" }),
      ]);
    }
  });

  test("makes and revokes API keys with the first one", async () => {
    const made = JSON.parse((await affidavit("keys", "create", "--label", "laptop", "--json")).stdout) as {
      id: string;
      key: string;
    };
    const key = ["--key", made.key, "--json"];
    const inferred = await affidavit("infer", "breast-cancer", ...INPUT, "--allow-simulated", ...key);
    expect(inferred.status, inferred.output).toBe(0);
    const listed = await affidavit("keys", "list", ...key);
    expect([listed.status, JSON.parse(listed.stdout)]).toEqual([
      1,
      expect.objectContaining({ code: "scope_missing" }),
    ]);
    expect((await affidavit("keys", "revoke", made.id)).status).toBe(0);
  });

  test("stops with npm", async () => {
    await service.stop();
    await expect.poll(() => fetch(service.url).catch(() => "gone"), { timeout: 30_000 }).toBe("gone");
  });
});
