/** The contracts' own tests, in the EVM that forge brings. */
import { execFile } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";

const CONTRACTS = fileURLToPath(new URL("../contracts", import.meta.url));
const FORGE = createRequire(import.meta.url).resolve("@foundry-rs/forge/bin.mjs");

test("forge test", { timeout: 180_000 }, async () => {
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
