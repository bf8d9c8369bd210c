/** Circuits that were built once for all runs on this machine, and the command as a user runs it. */
import { execFile } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { toHex } from "../codec/index.ts";
import { manifestText, modelId, parseManifest } from "../models/client.ts";
import { proverCache as cache } from "../proofs/testing/prover.ts";

const CLI = fileURLToPath(new URL("../client/cli/main.ts", import.meta.url));
/** Runs the command as a user would. @returns its one line of JSON */
export async function command(
  words: string[],
  environment: Record<string, string> = {},
): Promise<Record<string, unknown>> {
  const { stdout } = await promisify(execFile)(process.execPath, [CLI, ...words, "--json"], {
    env: { ...process.env, ...environment },
    maxBuffer: 64 * 1024 * 1024,
  });
  return JSON.parse(stdout) as Record<string, unknown>;
}

/**
 * A folder of circuits, a copy for the test alone, with the circuit of a model of the zoo. Building it takes half a minute and
 * more, so it is built once.
 */
export async function zooCircuit(model: string, directory: string): Promise<string> {
  const manifest = readFileSync(new URL(`../models/zoo/${model}/manifest.json`, import.meta.url), "utf8");
  const id = toHex(modelId(manifestText(parseManifest(manifest))));
  const kept = join(cache, "test-circuits", id);
  if (!existsSync(kept)) await build(model, kept);
  const [circuitId] = readdirSync(kept);
  cpSync(join(kept, circuitId!), join(directory, circuitId!), { recursive: true });
  return circuitId!;
}

async function build(model: string, kept: string): Promise<void> {
  mkdirSync(join(cache, "test-circuits"), { recursive: true });
  const folder = mkdtempSync(join(cache, "test-circuits", ".making-"));
  try {
    await command(["circuit", "build", model, "--data-dir", folder], { AFFIDAVIT_CIRCUITS_DIR: "" });
    renameSync(join(folder, "circuits"), kept);
  } catch (error) {
    // Another run may have been faster.
    if (!existsSync(kept)) throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
