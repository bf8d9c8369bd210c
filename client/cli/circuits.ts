/** What the circuit commands share: folders, models, samples, the proof system. */
import { existsSync } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { fromUtf8, toHex } from "../../codec/index.ts";
import {
  EnginePool,
  loadModel,
  ModelError,
  OipError,
  parseInferRequest,
  type LoadedModel,
} from "../../models/index.ts";
import {
  cacheDirectory,
  CircuitStore,
  createEzklSystem,
  findProofSystem,
  ProofError,
  type EzklSystem,
  type ModelGraph,
  type Sample,
  type StoredCircuit,
} from "../../proofs/index.ts";
import type { Tensor } from "../../receipts/index.ts";
import { readInput, RefusedError, UsageError } from "./command.ts";

const ZOO = fileURLToPath(new URL("../../models/zoo", import.meta.url));
const MAX_SAMPLES_BYTES = 64 * 1024 * 1024;
const MAX_SAMPLES = 256;
/** How many more are made of each sample, by changing its elements by up to a half. */
const VARIANTS = 7;

/** Where the service looks for circuits, by the same settings. */
export function circuitsDirectory(dataDirectory: string | undefined, environment: NodeJS.ProcessEnv): string {
  if (dataDirectory !== undefined) return resolve(dataDirectory, "circuits");
  if (environment["AFFIDAVIT_CIRCUITS_DIR"]) return resolve(environment["AFFIDAVIT_CIRCUITS_DIR"]);
  return resolve(join(environment["AFFIDAVIT_DATA_DIR"] || "./.data", "circuits"));
}

export const CIRCUITS_HELP = `
  --data-dir DIR     the service's data directory: circuits are in its folder circuits. Without it, as for the service:
                     AFFIDAVIT_CIRCUITS_DIR, else AFFIDAVIT_DATA_DIR/circuits, else ./.data/circuits`;

/** @throws RefusedError `proof_system_missing` */
export function openProofSystem(timeoutMs?: number): EzklSystem {
  const state = findProofSystem(cacheDirectory(process.env));
  if (!state.ready) throw new RefusedError("proof_system_missing", `${state.problem}: ${state.command}`);
  return createEzklSystem({ python: state.python, workers: 1, timeoutMs, nice: 0 });
}

/** Turns what the domains refuse into a no with its code. */
export async function refusing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof ProofError || cause instanceof ModelError)
      throw new RefusedError(cause.code, cause.message, { cause });
    throw cause;
  }
}

export async function loadCircuits(dataDirectory: string | undefined): Promise<CircuitStore> {
  return await refusing(() => CircuitStore.load([circuitsDirectory(dataDirectory, process.env)]));
}

/**
 * @param id in hex, or the first digits of it
 * @throws UsageError, RefusedError `circuit_not_found`
 */
export async function findCircuit(id: string, dataDirectory: string | undefined): Promise<StoredCircuit> {
  const digits = id.replace(/^0x/, "");
  if (!/^[0-9a-f]{4,64}$/.test(digits))
    throw new UsageError("a circuit's id is hex, of which four digits or more are given");
  const store = await loadCircuits(dataDirectory);
  const found = store.list().filter(({ circuit }) => toHex(circuit.circuitId).startsWith(digits));
  if (found.length > 1) throw new UsageError(`${found.length} circuits start with ${digits}`);
  if (!found[0]) throw new RefusedError("circuit_not_found", `no circuit ${digits} here`);
  return found[0];
}

export interface FoundModel {
  model: LoadedModel;
  folder: string;
}

/** A folder or manifest, or the name of a model of the zoo or of the service's models folder, such as `digits` or `mine/1.0`. */
export async function findModel(name: string, dataDirectory: string | undefined): Promise<FoundModel> {
  const added =
    dataDirectory === undefined
      ? process.env["AFFIDAVIT_MODELS_DIR"] || join(process.env["AFFIDAVIT_DATA_DIR"] || "./.data", "models")
      : join(dataDirectory, "models");
  for (const place of [name, join(ZOO, name), join(added, name)]) {
    const file = (await isFile(place)) ? place : join(place, "manifest.json");
    if (existsSync(file))
      return { model: await refusing(() => loadModel(resolve(file))), folder: dirname(file) };
  }
  throw new RefusedError(
    "model_not_found",
    `no model ${JSON.stringify(name)}: a folder, a manifest, or a name`,
  );
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}

/** The model as a circuit is made of it. @throws RefusedError `circuit_unsupported` */
export async function graphOf({ manifest, weights }: LoadedModel): Promise<ModelGraph> {
  const whole = (side: "input" | "output", list: typeof manifest.inputs) =>
    list.map(({ name, datatype, shape }) => {
      if (datatype !== "FP32")
        throw new RefusedError("circuit_unsupported", `${side} ${name} is ${datatype}; a circuit takes FP32`);
      const open = shape.findIndex((size, axis) => size === -1 && axis > 0);
      if (open !== -1)
        throw new RefusedError("circuit_unsupported", `${side} ${name} leaves dimension ${open} open`);
      return { name, shape: shape.map((size) => (size === -1 ? 1 : size)) };
    });
  if (manifest.reduce)
    throw new RefusedError("circuit_unsupported", "the engine reduces an output, which no circuit does");
  const inputs = whole("input", manifest.inputs);
  const outputs = whole("output", manifest.outputs);
  return { onnx: await refusing(weights), inputs, outputs };
}

/** Inputs of the example beside a manifest and of a file of requests, each with variants, and what the model makes of them. */
export async function readSamples(
  { model, folder }: FoundModel,
  file: string | undefined,
): Promise<Sample[]> {
  const example = join(folder, "example.json");
  const requests = [
    ...(existsSync(example) ? [JSON.parse(await readFile(example, "utf8")) as unknown] : []),
    ...(file === undefined ? [] : await readRequests(file)),
  ];
  if (requests.length === 0)
    throw new UsageError(
      "there is no example.json beside the manifest: give --samples, to measure the circuit by",
    );
  const inputs = requests.map((request) => inputsOf(request)).flatMap((one) => [one, ...variantsOf(one)]);
  const engine = new EnginePool();
  try {
    const { timeoutMs } = model.manifest.limits;
    const samples: Sample[] = [];
    for (const each of inputs) {
      const { outputs } = await refusing(() => engine.run(model, each, { timeoutMs }));
      samples.push({ inputs: each, outputs });
    }
    return samples;
  } finally {
    await engine.close();
  }
}

async function readRequests(file: string): Promise<unknown[]> {
  const bytes = await readInput(file, MAX_SAMPLES_BYTES);
  try {
    const value = JSON.parse(fromUtf8(bytes)) as unknown;
    const list = Array.isArray(value) ? (value as unknown[]) : [value];
    if (list.length <= MAX_SAMPLES) return list;
  } catch {
    // Named below.
  }
  throw new UsageError(
    `${file} is no JSON list of at most ${MAX_SAMPLES} inference requests`,
    "file_unreadable",
  );
}

function inputsOf(request: unknown): Tensor[] {
  try {
    return parseInferRequest(Buffer.from(JSON.stringify(request)), undefined).inputs;
  } catch (cause) {
    if (cause instanceof OipError)
      throw new UsageError(`a sample is no inference request: ${cause.message}`, "file_unreadable");
    throw cause;
  }
}

/** The same ones on every run: a search that is repeated finds the same circuit. */
function variantsOf(inputs: Tensor[]): Tensor[][] {
  let state = 1;
  const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  return Array.from({ length: VARIANTS }, () =>
    inputs.map((tensor) => {
      const values = floatsOf(tensor.data).map((value) => value * (0.5 + random()));
      return { ...tensor, data: new Uint8Array(values.buffer) };
    }),
  );
}

/** Four times the largest sample, up to a power of two. */
export function inputRangeOf(samples: readonly Sample[]): number {
  let largest = 0;
  for (const { inputs } of samples) {
    for (const { data } of inputs) {
      for (const value of floatsOf(data)) largest = Math.max(largest, Math.abs(value));
    }
  }
  return 2 ** Math.ceil(Math.log2(Math.max(largest, 2 ** -10) * 4));
}

/** Copied: a tensor's bytes need not be aligned, and a Buffer's lie in a larger one, which its `slice` shares. */
function floatsOf(data: Uint8Array): Float32Array {
  return new Float32Array(new Uint8Array(data).buffer);
}
