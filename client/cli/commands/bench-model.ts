/** `affidavit bench-model MODEL`: which execution providers of this machine run a model, how fast, and how far from the CPU. */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import {
  compareProviders,
  deviceEnvironment,
  EXECUTION_PROVIDERS,
  formatExecution,
  ModelError,
  ModelRegistry,
  OipError,
  parseInferRequest,
  checkInputs,
  type ExecutionProvider,
  type LoadedModel,
  type ProviderFailed,
  type ProviderRan,
  type Tolerance,
} from "../../../models/index.ts";
import type { Tensor } from "../../../receipts/index.ts";
import {
  flags,
  onlyPositional,
  printJson,
  readInput,
  RefusedError,
  UsageError,
  type Command,
} from "../command.ts";
import { paint, printable, table } from "../output.ts";
import { modelsDirectory } from "./models.ts";

const MAX_INPUT_BYTES = 64 * 1024 * 1024;
const DEFAULT_PROVIDERS: ExecutionProvider[] = ["webgpu", "cuda"];
const DEFAULT_RUNS = 20;
const TIMEOUT_MS = 600_000;
const ZOO = fileURLToPath(new URL("../../../models/zoo", import.meta.url));

const HELP = `
affidavit bench-model MODEL [flags]

Runs a model of this machine on the CPU and on each provider by turns, in engine processes like the service's, and shows
which adapter each took, its times, and how far its outputs lie from the CPU's. A software adapter is called so. Run it
before you name a provider in AFFIDAVIT_EXECUTION_PROVIDERS: a provider may be wrong, not only slow.

  --providers LIST     besides the CPU, separated by commas (${DEFAULT_PROVIDERS.join(",")}; those that are missing are named)
  --input FILE         an Open Inference request (JSON); without it the example.json beside the model's manifest
  --runs N             pairs of runs, 1 to 10000 (${DEFAULT_RUNS})
  --tolerance A[,R]    largest absolute and relative difference, instead of the manifest's
  --model-version V    without it the newest
  --data-dir DIR       as for the service: AFFIDAVIT_MODELS_DIR, else AFFIDAVIT_DATA_DIR/models, else ./.data/models
  --json               one line for machines

LD_LIBRARY_PATH, CUDA_VISIBLE_DEVICES, VK_DRIVER_FILES and the like reach the engine processes. Exits 1 where an output is
outside the tolerance, or a provider that --providers names does not run.
`;

export const benchModel: Command = {
  summary: "compares a model's execution providers on this machine",
  help: HELP,
  run,
};

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    providers: { type: "string" },
    input: { type: "string" },
    runs: { type: "string" },
    tolerance: { type: "string" },
    "model-version": { type: "string" },
    "data-dir": { type: "string" },
    json: { type: "boolean" },
  });
  const name = onlyPositional(positionals, "model");
  const providers = providersOf(values.providers);
  const runs = runsOf(values.runs);
  const given = toleranceOf(values.tolerance);
  const model = await find(name, values["model-version"], modelsDirectory(values["data-dir"], process.env));
  const inputs = await inputsOf(model, values.input);
  const tolerance = given ?? model.manifest.tolerance;
  const progress = process.stderr.isTTY && !values.json;
  const results = await compare(model, inputs, {
    providers,
    runs,
    tolerance,
    environment: deviceEnvironment(process.env),
    timeoutMs: TIMEOUT_MS,
    ...(progress && { onProgress: (text: string) => process.stderr.write(`\r\u001b[K${text}`) }),
  });
  if (progress) process.stderr.write("\r\u001b[K");
  const wanted = values.providers === undefined ? [] : providers;
  const ok = results.every((one) =>
    "error" in one ? !wanted.includes(one.provider) : one.difference?.within !== false,
  );
  const { manifest } = model;
  if (values.json) {
    const described = { name: manifest.name, version: manifest.version };
    printJson({
      ok,
      code: ok ? "ok" : "provider_refused",
      model: described,
      runs,
      tolerance: tolerance ?? null,
      providers: results.map(asJson),
    });
  } else
    process.stdout.write(
      `${manifest.name} ${manifest.version}, ${runs} pairs of runs\n\n${asText(results, tolerance)}`,
    );
  return ok ? 0 : 1;
}

function providersOf(text: string | undefined): ExecutionProvider[] {
  if (text === undefined) return DEFAULT_PROVIDERS;
  return text.split(",").map((name) => {
    const known = EXECUTION_PROVIDERS.find((provider) => provider === name);
    if (known) return known;
    throw new UsageError(`--providers takes ${EXECUTION_PROVIDERS.join(", ")}`);
  });
}

function runsOf(text: string | undefined): number {
  const runs = text === undefined ? DEFAULT_RUNS : /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (runs < 1 || runs > 10_000) throw new UsageError("--runs takes a number from 1 to 10000");
  return runs;
}

function toleranceOf(text: string | undefined): Tolerance | undefined {
  if (text === undefined) return undefined;
  const parts = text.split(",").map((part) => (part.trim() === "" ? NaN : Number(part)));
  const [absolute = NaN, relative = 0] = parts;
  const sound = parts.length <= 2 && [absolute, relative].every((one) => Number.isFinite(one) && one >= 0);
  if (!sound) throw new UsageError("--tolerance takes one or two numbers from 0 on, such as 1e-4,1e-3");
  return { absolute, relative };
}

async function find(name: string, version: string | undefined, added: string): Promise<LoadedModel> {
  return await refusing(async () => (await ModelRegistry.load([ZOO, added])).require(name, version));
}

async function inputsOf(model: LoadedModel, file: string | undefined): Promise<Tensor[]> {
  const path = file ?? resolve(join(model.directory ?? "", "example.json"));
  if (file === undefined && !existsSync(path))
    throw new UsageError("the model has no example.json: give an --input");
  const bytes = await readInput(path, MAX_INPUT_BYTES);
  try {
    const { inputs } = parseInferRequest(bytes);
    checkInputs(model.manifest, inputs);
    return inputs;
  } catch (error) {
    if (error instanceof OipError || error instanceof ModelError)
      throw new UsageError(`${path}: ${error.message} [${error.code}]`, "file_unreadable");
    throw error;
  }
}

const compare: typeof compareProviders = (...parameters) => refusing(() => compareProviders(...parameters));

async function refusing<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (cause instanceof ModelError) throw new RefusedError(cause.code, cause.message, { cause });
    throw cause;
  }
}

type Result = ProviderRan | ProviderFailed;

function asJson(result: Result): unknown {
  if ("error" in result) {
    const { code, message } = result.error;
    return { provider: result.provider, code, message };
  }
  const { provider, execution, loadMs, firstMs, p50Ms, overCpu, difference } = result;
  const { adapter, cpuOperations, operations, precision } = execution;
  const outputs = difference?.outputs.map(({ maxAbsolute, maxRelative, ...rest }) => ({
    ...rest,
    // JSON has no infinity.
    maxAbsolute: Number.isFinite(maxAbsolute) ? maxAbsolute : null,
    maxRelative: Number.isFinite(maxRelative) ? maxRelative : null,
  }));
  const apart = difference && { ...difference, within: difference.within ?? null, outputs };
  const where = { adapter, cpuOperations, operations, precision };
  return { provider, code: "ok", ...where, loadMs, firstMs, p50Ms, overCpu, difference: apart ?? null };
}

function asText(results: readonly Result[], tolerance: Tolerance | undefined): string {
  const rows = results.flatMap((result) => ("error" in result ? [] : [rowOf(result)]));
  const missing = results.flatMap((result) =>
    "error" in result
      ? [`${paint("yellow", "not run")} ${printable(result.error.message, 500)} [${result.error.code}]`]
      : [],
  );
  const judged = tolerance
    ? `Tolerance: ${tolerance.absolute} absolute, ${tolerance.relative} relative.`
    : "No tolerance, so the differences are not judged: see --tolerance.";
  const head = ["RUNS AS", "LOAD", "FIRST", "P50", "OVER CPU", "FROM CPU", "VERDICT"];
  return [table([head, ...rows]), "", ...missing, judged, ""].join("\n");
}

function rowOf({ execution, loadMs, firstMs, p50Ms, overCpu, difference }: ProviderRan): string[] {
  const largest = Math.max(0, ...(difference?.outputs.map(({ maxAbsolute }) => maxAbsolute) ?? []));
  const apart =
    difference === undefined ? "" : difference.outputs.length === 0 ? "other shapes" : largest.toPrecision(3);
  const verdict = difference?.within === undefined ? "" : difference.within ? "within" : "OUTSIDE";
  const times = [loadMs, firstMs, p50Ms].map((ms) => `${ms.toFixed(ms < 100 ? 2 : 0)} ms`);
  return [printable(formatExecution(execution)), ...times, overCpu.toFixed(2), apart, verdict];
}
