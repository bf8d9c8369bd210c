/** The contracts' own tests, in the EVM that forge brings. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { exportedFiles } from "../contracts/export.ts";
import { buildContracts, CONTRACTS, FORGE } from "./contracts-build.ts";

test("forge test", { timeout: 180_000 }, async () => {
  await buildContracts();
  const run = promisify(execFile)(process.execPath, [FORGE, "test"], {
    cwd: CONTRACTS,
    // The committed gas snapshots are what the contracts cost.
    env: { ...process.env, FORGE_SNAPSHOT_CHECK: "true" },
    maxBuffer: 16 * 1024 * 1024,
  });
  const { stdout } = await run.catch((error: { stdout?: string; stderr?: string }) => {
    throw new Error(`${error.stdout ?? ""}\n${error.stderr ?? ""}`);
  });
  expect(stdout).toMatch(/[1-9]\d* tests passed, 0 failed/);
});

test("what programs use of the contracts is what the compiler makes of them", async () => {
  await buildContracts();
  for (const [path, text] of exportedFiles())
    expect(readFileSync(path, "utf8") === text, `${path} is stale: node contracts/export.ts`).toBe(true);
});
