/**
 * The native addon: it lies in the user's cache under the hash of its sources, so that one build serves every clone of
 * them, and is loaded by that name. `balances/setup.ts` builds it.
 */
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { BalanceError } from "./error.ts";

export const NATIVE_SOURCES = fileURLToPath(new URL("./native", import.meta.url));
/** In a clone a script of npm's, in an installed package its file. */
export const SETUP_COMMAND = import.meta.url.endsWith(".ts")
  ? "npm run setup:balances"
  : `node ${fileURLToPath(new URL("./setup.js", import.meta.url))}`;

interface NativeDebited {
  balance: Uint8Array;
  sufficient: Uint8Array;
  taken?: Uint8Array;
}

export interface NativeEvaluator {
  verifyAndExpand(proven: Uint8Array, metadata: Uint8Array): Promise<Uint8Array>;
  credit(balance: Uint8Array, amount: Uint8Array): Promise<Uint8Array>;
  creditClear(balance: Uint8Array, amount: bigint): Promise<Uint8Array>;
  debit(balance: Uint8Array, amount: Uint8Array): Promise<NativeDebited>;
  debitClear(balance: Uint8Array, amount: bigint): Promise<NativeDebited>;
}

export interface NativeSecretKey {
  toBytes(): Promise<Uint8Array>;
  encrypt(amount: bigint): Promise<Uint8Array>;
  decryptAmount(amount: Uint8Array): Promise<bigint>;
  decryptBit(bit: Uint8Array): Promise<boolean>;
  sameAmount(one: Uint8Array, other: Uint8Array): Promise<boolean>;
}

export interface NativeProver {
  prove(amount: bigint, metadata: Uint8Array): Promise<Uint8Array>;
}

/** What the addon exports; each promise is rejected with an error whose message is a code of `BalanceError`. */
export interface Addon {
  describe(): {
    parameters: string;
    operationsVersion: number;
    instructionSets: string[];
    log2FailureProbability: number;
  };
  generateKeys(
    seed: Uint8Array,
  ): Promise<{ evaluationKey: Uint8Array; publicKey: Uint8Array; crs: Uint8Array }>;
  secretKeyFromSeed(seed: Uint8Array): Promise<NativeSecretKey>;
  secretKeyFromBytes(bytes: Uint8Array): Promise<NativeSecretKey>;
  loadProver(publicKey: Uint8Array, crs: Uint8Array): Promise<NativeProver>;
  loadEvaluator(
    evaluationKey: Uint8Array,
    publicKey: Uint8Array,
    crs: Uint8Array,
    threads: number,
    niceness: number,
  ): Promise<NativeEvaluator>;
}

/** Files that decide what is built, by path with forward slashes. */
function sourceFiles(): string[] {
  return readdirSync(NATIVE_SOURCES, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(rs|toml|lock)$/.test(entry.name))
    .map((entry) => relative(NATIVE_SOURCES, join(entry.parentPath, entry.name)).replaceAll(sep, "/"))
    .filter((path) => !path.startsWith("target/"))
    .sort();
}

/** Where the build of exactly these sources for this machine belongs. */
export function addonDirectory(cacheDirectory: string): string {
  const hash = createHash("sha256");
  for (const path of sourceFiles()) {
    const bytes = readFileSync(join(NATIVE_SOURCES, path));
    hash.update(`${path}\0${bytes.length}\0`).update(bytes);
  }
  const digest = hash.digest("hex").slice(0, 16);
  return join(cacheDirectory, "balances", `${process.platform}-${process.arch}-${digest}`);
}

/**
 * Loads the addon that `setup:balances` built of these sources.
 * @param cacheDirectory the user's cache folder for this program, such as `~/.cache/affidavit`
 * @throws BalanceError `addon_missing`, `addon_broken`
 */
export function loadAddon(cacheDirectory: string): Addon {
  const file = join(addonDirectory(cacheDirectory), "balances.node");
  if (!existsSync(file)) {
    throw new BalanceError("addon_missing", `encrypted balances are not built: ${SETUP_COMMAND}`);
  }
  try {
    const addon = createRequire(import.meta.url)(file) as Addon;
    if (!(addon.describe().log2FailureProbability <= -128)) throw new Error("its parameters err too often");
    return addon;
  } catch (cause) {
    throw new BalanceError(
      "addon_broken",
      `${file} does not load: delete its folder, then ${SETUP_COMMAND}`,
      { cause },
    );
  }
}
