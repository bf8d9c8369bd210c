/** The addon for tests: built or not, and keys that are made once for each build of it. */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { addonDirectory, loadAddon, type Addon } from "../addon.ts";
import { BalanceError } from "../error.ts";
import type { FhePublicKeys } from "../evaluator.ts";
import { generateFheKeys } from "../keys.ts";

export const CACHE = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "affidavit");
const REQUIRED = (process.env["AFFIDAVIT_REQUIRE"] ?? "").split(",").includes("balances");

function find(): Addon | undefined {
  try {
    return loadAddon(CACHE);
  } catch (error) {
    const missing = error instanceof BalanceError && error.code === "addon_missing";
    if (REQUIRED || !missing) throw error;
    return undefined;
  }
}

/** Undefined where it is not built; an error there if AFFIDAVIT_REQUIRE names balances. */
export const ADDON = find();
/** For the name of a suite that needs it. */
export const WITHOUT = ADDON ? "" : " (skipped: the addon is not built, see npm run setup:balances)";

export const TEST_SEED = new Uint8Array(32).fill(7);

const NAMES = ["evaluationKey", "publicKey", "crs"] as const;

/** The public keys of `TEST_SEED`: generated at the first run, read afterwards. */
export async function testKeys(addon: Addon): Promise<FhePublicKeys> {
  const directory = join(addonDirectory(CACHE), "test-keys");
  if (existsSync(directory)) {
    const [evaluationKey, publicKey, crs] = NAMES.map(
      (name) => new Uint8Array(readFileSync(join(directory, name))),
    ) as [Uint8Array, Uint8Array, Uint8Array];
    return { evaluationKey, publicKey, crs };
  }
  const keys = await generateFheKeys(addon, TEST_SEED);
  const fresh = `${directory}.${process.pid}`;
  mkdirSync(fresh);
  for (const name of NAMES) writeFileSync(join(fresh, name), keys[name]);
  try {
    renameSync(fresh, directory);
  } catch (error) {
    // Another test process was faster; both made the same.
    if (!existsSync(directory)) throw error;
  }
  return keys;
}
