/**
 * A GPU: what receipts add to an inference on it, and what the engine's process adds to ONNX Runtime. Without a GPU nothing
 * is measured, and a software adapter is none; BENCH_GPU_REHEARSE=1 walks the whole road on one, for the road's sake, and
 * reports no figure.
 */
import { fork, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
  compareProviders,
  deviceEnvironment,
  EnginePool,
  formatExecution,
  type ExecutionProvider,
  type LoadedModel,
  type ProviderRan,
} from "../models/index.ts";
import type { Tensor } from "../receipts/index.ts";
import { inputsOf, modelOf } from "./gpu-load.ts";
import { compareLatency, compareThroughput, withoutCommit } from "./overhead.ts";
import { figure, type Figure, type Report } from "./report.ts";
import { startSides } from "./servers.ts";

const NAMES = [
  "gpu.p50.largest",
  "gpu.throughput.largest",
  "gpu.run_ms",
  "gpu.over_cpu",
  "gpu.engine_over_ort",
];
const CANDIDATES: ExecutionProvider[] = ["cuda", "webgpu"];
const TIMEOUT_MS = 120_000;
const LONGEST_RUN = { timeoutMs: TIMEOUT_MS };

interface Plan {
  model: string;
  pairs: number;
  cpuPairs: number;
  warmUps: number;
}
const LARGEST: Plan = { model: "ocr", pairs: 300, cpuPairs: 20, warmUps: 20 };
const REHEARSAL: Plan = { model: "digits", pairs: 10, cpuPairs: 10, warmUps: 2 };

export async function run(): Promise<Report> {
  const rehearses = process.env["BENCH_GPU_REHEARSE"] === "1";
  const environment = deviceEnvironment(process.env);
  const { ran, reasons } = await findGpu(environment, rehearses);
  if (!ran) return notMeasured(`no GPU that a provider runs on: ${reasons.join("; ")}`);
  const place = formatExecution(ran.execution);
  progress(place);
  const plan = rehearses ? REHEARSAL : LARGEST;
  const [inputs, model] = [inputsOf(plan.model), await modelOf(plan.model)];
  const providers: ExecutionProvider[] = [ran.provider, "cpu"];
  const figures = [
    ...(await measureServices(plan, inputs, providers, environment)),
    ...(await measureEngine(plan, model, inputs, providers, environment)),
  ];
  if (!rehearses) return { bench: "gpu", figures, notMeasured: [] };
  for (const { name, value } of figures) progress(`${name} ${value} (rehearsed)`);
  return notMeasured(`rehearsed on ${place}: no GPU`);
}

function notMeasured(why: string): Report {
  return { bench: "gpu", figures: [], notMeasured: NAMES.map((name) => ({ name, why })) };
}

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function findGpu(
  environment: Readonly<Record<string, string>>,
  takesSoftware: boolean,
): Promise<{ ran?: ProviderRan; reasons: string[] }> {
  const options = { providers: CANDIDATES, runs: 1, environment, timeoutMs: TIMEOUT_MS };
  const reasons: string[] = [];
  for (const result of await compareProviders(
    await modelOf("breast-cancer"),
    inputsOf("breast-cancer"),
    options,
  )) {
    if ("error" in result) reasons.push(`${result.provider} ${result.error.code}`);
    else if (result.provider !== "cpu") {
      const type = result.execution.adapter?.type ?? "unknown";
      if (type !== "software" && type !== "unknown") return { ran: result, reasons };
      if (takesSoftware) return { ran: result, reasons };
      reasons.push(`${result.provider} ran on an adapter of type ${type}`);
    }
  }
  return { reasons };
}

/** Whole service over bare service, both on the device. */
async function measureServices(
  { model, pairs, warmUps }: Plan,
  inputs: Tensor[],
  providers: readonly ExecutionProvider[],
  environment: Readonly<Record<string, string>>,
): Promise<Figure[]> {
  const sides = await startSides({ ...environment, AFFIDAVIT_EXECUTION_PROVIDERS: providers.join(",") });
  try {
    const load = { model, binary: true, inputs };
    progress("latency of the services");
    const latency = await compareLatency(sides, load, { warmUps, pairs });
    progress("throughput of the services");
    const throughput = await compareThroughput(sides, "whole", load);
    return [
      figure("gpu.p50.largest", latency.map(withoutCommit), { unit: "ratio", better: "lower", aim: 1.01 }),
      figure("gpu.throughput.largest", throughput, { unit: "ratio", better: "higher", aim: 0.97 }),
    ];
  } finally {
    await sides.stop();
  }
}

/** The engine on the device over ONNX Runtime alone there, and over the engine on the CPU. */
async function measureEngine(
  plan: Plan,
  model: LoadedModel,
  inputs: Tensor[],
  providers: ExecutionProvider[],
  environment: Readonly<Record<string, string>>,
): Promise<Figure[]> {
  const devices = [{ name: "gpu", environment }];
  const onDevice = new EnginePool({ hosts: 0, devices, executionProviders: providers });
  const onCpu = new EnginePool({ hosts: 1, spareHosts: 0 });
  const alone = await startAlone(plan.model, providers, environment);
  const timed = async (pool: EnginePool): Promise<number> => {
    const startedMs = performance.now();
    await pool.run(model, inputs, LONGEST_RUN);
    return performance.now() - startedMs;
  };
  try {
    for (let i = 0; i < plan.warmUps; i++) await Promise.all([timed(onDevice), askAlone(alone)]);
    progress("the engine and ONNX Runtime alone");
    const runs = await inPairs(
      plan.pairs,
      () => timed(onDevice),
      () => askAlone(alone),
    );
    await timed(onCpu);
    progress("the engine on the CPU");
    const cpu = await inPairs(
      plan.cpuPairs,
      () => timed(onDevice),
      () => timed(onCpu),
    );
    return [
      figure(
        "gpu.run_ms",
        runs.map(([own]) => own),
        { unit: "ms", better: "lower" },
      ),
      figure(
        "gpu.over_cpu",
        cpu.map(([own, other]) => own / other),
        { unit: "ratio", better: "lower" },
      ),
      figure(
        "gpu.engine_over_ort",
        runs.map(([own, other]) => own / other),
        { unit: "ratio", better: "lower" },
      ),
    ];
  } finally {
    alone.kill("SIGKILL");
    await Promise.all([onDevice.close(), onCpu.close()]);
  }
}

/** By turns, the order alternating. */
async function inPairs(
  count: number,
  left: () => Promise<number>,
  right: () => Promise<number>,
): Promise<[number, number][]> {
  const pairs: [number, number][] = [];
  for (let i = 0; i < count; i++) {
    const first = i % 2 === 0 ? await left() : undefined;
    const other = await right();
    pairs.push([first ?? (await left()), other]);
  }
  return pairs;
}

async function startAlone(
  model: string,
  providers: readonly ExecutionProvider[],
  environment: Readonly<Record<string, string>>,
): Promise<ChildProcess> {
  const stdio = ["ignore", "ignore", "ignore", "ipc"] as ["ignore", "ignore", "ignore", "ipc"];
  const child = fork(new URL("./bare-ort.ts", import.meta.url), [model, ...providers], {
    env: environment,
    stdio,
  });
  await answerOf(child);
  return child;
}

function askAlone(child: ChildProcess): Promise<number> {
  child.send("run");
  return answerOf(child) as Promise<number>;
}

async function answerOf(child: ChildProcess): Promise<unknown> {
  const answered = new AbortController();
  const { signal } = answered;
  const ended = once(child, "exit", { signal }).then(() => {
    throw new Error("ONNX Runtime alone ended");
  });
  ended.catch(() => undefined);
  try {
    const [answer] = (await Promise.race([once(child, "message", { signal }), ended])) as [unknown];
    return answer;
  } finally {
    answered.abort();
  }
}
