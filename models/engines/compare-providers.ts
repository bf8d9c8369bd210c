/** One model on several execution providers of this machine: whether it runs there, how fast, and how far from the CPU. */
import type { Tensor } from "../../receipts/index.ts";
import { compareOutputs } from "../difference.ts";
import type { Difference, Tolerance } from "../difference.ts";
import { ModelError } from "../errors.ts";
import { parseExecutionRecord } from "../execution.ts";
import type { ExecutionRecord } from "../execution.ts";
import type { ExecutionProvider } from "../manifest.ts";
import type { LoadedModel } from "./engine.ts";
import { EnginePool } from "./pool.ts";

export interface ComparisonOptions {
  /** Besides the CPU, which everything is held against. */
  providers: readonly ExecutionProvider[];
  /** Pairs of runs, on the provider and on the CPU by turns. */
  runs: number;
  /** Of the providers' hosts, as `deviceEnvironment` makes it. */
  environment: Readonly<Record<string, string>>;
  /** Longest run, ms; the manifest's own limit is for callers and does not hold here. */
  timeoutMs: number;
  tolerance?: Tolerance | undefined;
  onProgress?: (text: string) => void;
}

export interface ProviderRan {
  provider: ExecutionProvider;
  execution: ExecutionRecord;
  loadMs: number;
  /** The first run, in which a GPU's programs are compiled. */
  firstMs: number;
  /** Median of the runs after it. */
  p50Ms: number;
  /** Median of the pairs' ratios, this provider over the CPU; 1 for the CPU. */
  overCpu: number;
  /** Of its first outputs from the CPU's; undefined for the CPU. */
  difference: Difference | undefined;
}

export interface ProviderFailed {
  provider: ExecutionProvider;
  error: ModelError;
}

interface Opened {
  pool: EnginePool;
  model: LoadedModel;
  ran: Omit<ProviderRan, "p50Ms" | "overCpu" | "difference">;
  outputs: Tensor[];
}

/**
 * The CPU's result first. A provider that lacks operations of the model runs it with those on the CPU, as its execution
 * record says.
 * @throws ModelError where the CPU does not run the model
 */
export async function compareProviders(
  model: LoadedModel,
  inputs: readonly Tensor[],
  options: ComparisonOptions,
): Promise<(ProviderRan | ProviderFailed)[]> {
  const cpu = await open(model, inputs, "cpu", options);
  const results: (ProviderRan | ProviderFailed)[] = [];
  const cpuMs: number[] = [];
  try {
    for (const provider of options.providers) {
      if (provider === "cpu") continue;
      options.onProgress?.(`${provider}: loading, and compiling in the first run`);
      const result = await measure(cpu, inputs, provider, { ...options, cpuMs }).catch((error: unknown) => {
        if (!(error instanceof ModelError)) throw error;
        return { provider, error };
      });
      results.push(result);
    }
    if (cpuMs.length === 0)
      for (let i = 0; i < options.runs; i++) cpuMs.push(await time(cpu, inputs, options));
    return [{ ...cpu.ran, p50Ms: median(cpuMs), overCpu: 1, difference: undefined }, ...results];
  } finally {
    await cpu.pool.close();
  }
}

async function measure(
  cpu: Opened,
  inputs: readonly Tensor[],
  provider: ExecutionProvider,
  options: ComparisonOptions & { cpuMs: number[] },
): Promise<ProviderRan> {
  const opened = await openOrDivide(cpu.model, inputs, provider, options);
  try {
    const difference = compareOutputs(cpu.outputs, opened.outputs, options.tolerance);
    const ownMs: number[] = [];
    const ratios: number[] = [];
    for (let i = 0; i < options.runs; i++) {
      options.onProgress?.(`${provider}: ${i + 1} of ${options.runs}`);
      // By turns first, so that neither always finds the machine as the other left it.
      const before = i % 2 === 0 ? await time(cpu, inputs, options) : undefined;
      const own = await time(opened, inputs, options);
      const other = before ?? (await time(cpu, inputs, options));
      ownMs.push(own);
      ratios.push(own / other);
      options.cpuMs.push(other);
    }
    return { ...opened.ran, p50Ms: median(ownMs), overCpu: median(ratios), difference };
  } finally {
    await opened.pool.close();
  }
}

async function openOrDivide(
  model: LoadedModel,
  inputs: readonly Tensor[],
  provider: ExecutionProvider,
  options: ComparisonOptions,
): Promise<Opened> {
  try {
    return await open(model, inputs, provider, options);
  } catch (error) {
    if (!(error instanceof ModelError) || error.code !== "engine_operation_unsupported") throw error;
    return await open(model, inputs, provider, options, ["cpu"]);
  }
}

async function open(
  model: LoadedModel,
  inputs: readonly Tensor[],
  provider: ExecutionProvider,
  { environment, timeoutMs }: ComparisonOptions,
  after: readonly ExecutionProvider[] = [],
): Promise<Opened> {
  const { manifest } = model;
  const limits = { ...manifest.limits, timeoutMs };
  const here = { ...model, manifest: { ...manifest, limits, executionProviders: [provider, ...after] } };
  const pool = new EnginePool({
    hosts: provider === "cpu" ? 1 : 0,
    spareHosts: 0,
    devices: provider === "cpu" ? [] : [{ name: provider, environment }],
    maxHostBytes: Infinity,
    maxModelBytes: Infinity,
    loadTimeoutMs: timeoutMs,
  });
  try {
    const startedMs = performance.now();
    for (const { error } of await pool.preload([here])) throw error;
    const loadMs = performance.now() - startedMs;
    const { outputs, executionText } = await pool.run(here, inputs, { timeoutMs });
    const firstMs = performance.now() - startedMs - loadMs;
    const execution = parseExecutionRecord(executionText);
    if (execution?.provider !== provider)
      throw new ModelError("engine_operation_unsupported", "it can run no operation of the model");
    return { pool, model: here, outputs, ran: { provider, execution, loadMs, firstMs } };
  } catch (error) {
    await pool.close();
    throw error;
  }
}

async function time(
  { pool, model }: Opened,
  inputs: readonly Tensor[],
  options: ComparisonOptions,
): Promise<number> {
  const startedMs = performance.now();
  await pool.run(model, inputs, { timeoutMs: options.timeoutMs });
  return performance.now() - startedMs;
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
