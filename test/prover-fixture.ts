/** Whether proofs can be made here, and circuits that were built once for all runs on this machine. */
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
import { cacheDirectory, findProofSystem } from "../proofs/index.ts";

const CLI = fileURLToPath(new URL("../client/cli/main.ts", import.meta.url));
export const cache = cacheDirectory(process.env);
const found = findProofSystem(cache);
/** Parts that must be there: where one is named, a test that would skip without it fails instead. */
const required = (process.env["AFFIDAVIT_REQUIRE"] ?? "").split(",");

/** Why tests of the prover are skipped; undefined where they run. */
export const noProver: string | undefined =
  found.ready || required.includes("proofs") ? undefined : `${found.problem}: ${found.command}`;

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
