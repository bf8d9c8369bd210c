/** The contracts as forge compiles them: once, however many test files want them. */
import { execFile } from "node:child_process";
import { readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { Abi, Hex } from "viem";
import { sha256, toHex, utf8 } from "../codec/index.ts";

export const CONTRACTS = fileURLToPath(new URL("../contracts", import.meta.url));
export const FORGE = createRequire(import.meta.url).resolve("@foundry-rs/forge/bin.mjs");

const LOCK = join(tmpdir(), `affidavit-contracts-${toHex(sha256(utf8(CONTRACTS))).slice(0, 16)}.lock`);
/** Longer than any compilation: who holds the lock for that long has died. */
const STALE_MS = 300_000;

function tryLock(): boolean {
  try {
    writeFileSync(LOCK, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    const since = statSync(LOCK, { throwIfNoEntry: false })?.mtimeMs ?? 0;
    if (Date.now() - since > STALE_MS) rmSync(LOCK, { force: true });
    return false;
  }
}

async function build(): Promise<void> {
  while (!tryLock()) await setTimeout(100);
  try {
    await promisify(execFile)(process.execPath, [FORGE, "build", "--quiet"], { cwd: CONTRACTS });
  } finally {
    rmSync(LOCK, { force: true });
  }
}

let built: Promise<void> | undefined;

/** Compiles what is not compiled yet; two forges at once would write the same files. */
export function buildContracts(): Promise<void> {
  built ??= build();
  return built;
}

export interface Artifact {
  readonly abi: Abi;
  /** Creation code. */
  readonly bytecode: Hex;
}

/**
 * A compiled contract; `buildContracts` comes first.
 * @param name with its file's where that is another: `Consumers:Consumer`
 */
export function artifactOf(name: string): Artifact {
  const [file, contract = file] = name.split(":");
  const { abi, bytecode } = JSON.parse(readFileSync(`${CONTRACTS}/out/${file}.sol/${contract}.json`, "utf8"));
  return { abi, bytecode: bytecode.object };
}
