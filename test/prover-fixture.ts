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
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { toHex } from "../codec/index.ts";
import { encodeInferRequest, manifestText, modelId, parseManifest } from "../models/client.ts";
import { manifestFor } from "../models/testing/models.ts";
import { suiteModel } from "../proofs/suite/measure.ts";
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
  return await circuitOf(fileURLToPath(new URL(`../models/zoo/${model}`, import.meta.url)), directory);
}

/** As `zooCircuit`, of the model in a folder. */
export async function circuitOf(model: string, directory: string, words: string[] = []): Promise<string> {
  const manifest = readFileSync(join(model, "manifest.json"), "utf8");
  const id = toHex(modelId(manifestText(parseManifest(manifest))));
  const kept = join(cache, "test-circuits", id);
  if (!existsSync(kept)) await build([model, ...words], kept);
  const [circuitId] = readdirSync(kept);
  cpSync(join(kept, circuitId!), join(directory, circuitId!), { recursive: true });
  return circuitId!;
}

async function build(words: string[], kept: string): Promise<void> {
  mkdirSync(join(cache, "test-circuits"), { recursive: true });
  const folder = mkdtempSync(join(cache, "test-circuits", ".making-"));
  try {
    await command(["circuit", "build", ...words, "--data-dir", folder], { AFFIDAVIT_CIRCUITS_DIR: "" });
    renameSync(join(folder, "circuits"), kept);
  } catch (error) {
    // Another run may have been faster.
    if (!existsSync(kept)) throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The suite's attention block as a model that a service loads: its folder, among the models of `directory`. */
export function writeAttention(directory: string): string {
  const { graph, samples } = suiteModel("attention");
  const [inputs, outputs] = [graph.inputs, graph.outputs].map((side) =>
    side.map(({ name, shape }) => ({ name, shape, datatype: "FP32" as const })),
  );
  const manifest = manifestFor(
    "attention",
    { nodes: [], inputs: inputs!, outputs: outputs!, initialisers: [] },
    graph.onnx,
    { outputKind: { kind: "fixedPoint", scale: 6 }, assurance: ["tee", "tee+zk"] },
  );
  const model = join(directory, "attention");
  mkdirSync(model, { recursive: true });
  writeFileSync(join(model, "manifest.json"), manifestText(manifest));
  writeFileSync(join(model, "model.onnx"), graph.onnx);
  const { body } = encodeInferRequest({ inputs: samples[0]!.inputs }, { binary: false });
  writeFileSync(join(model, "example.json"), body);
  return model;
}
