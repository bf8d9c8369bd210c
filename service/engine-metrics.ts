/** The engine's figures for Prometheus, read when they are asked for. Adapter names are a driver's, as many as there are devices. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { EngineStats } from "../models/index.ts";

type Sample = readonly [value: number, labels?: Record<string, string>];

export function registerEngineMetrics(registry: Registry, stats: () => EngineStats): void {
  const registers = [registry];
  const gauge = (
    name: string,
    help: string,
    read: (now: EngineStats) => Sample[],
    labelNames: string[] = [],
  ) =>
    new Gauge({
      name: `affidavit_engine_${name}`,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const [value, labels = {}] of read(stats())) this.set(labels, value);
      },
    });
  const counter = (
    name: string,
    help: string,
    read: (now: EngineStats) => Sample[],
    labelNames: string[] = [],
  ) =>
    new Counter({
      name: `affidavit_engine_${name}_total`,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const [value, labels = {}] of read(stats())) this.inc(labels, value);
      },
    });
  gauge("queued", "Inferences that wait for an engine host", ({ queued }) => [[queued]]);
  gauge("held_bytes", "Input bytes of waiting and running inferences", ({ heldBytes }) => [[heldBytes]]);
  gauge("hosts", "Engine hosts by device and state", hostSamples, ["device", "state"]);
  gauge("models", "Models in engine hosts, by where they run", modelSamples, [...PLACE, "fallback"]);
  counter("runs", "Inferences completed, by where they ran", runSamples, [...PLACE]);
  counter("restarts", "Engine hosts that took the place of one that died", ({ restarts }) => [[restarts]]);
  counter("failures", "Runs and hosts that failed, by cause", failureSamples, ["cause"]);
}

const PLACE = ["provider", "adapter", "adapter_type"] as const;

function placeOf({ provider, adapter }: Pick<EngineStats["usage"][number], "provider" | "adapter">) {
  return { provider, adapter: adapter?.name ?? "", adapter_type: adapter?.type ?? "" };
}

function hostSamples({ hosts }: EngineStats): Sample[] {
  return tally(hosts.map(({ device = "", state }) => ({ device, state })));
}

function modelSamples({ hosts }: EngineStats): Sample[] {
  const loaded = hosts.flatMap((host) => host.loaded);
  return tally(loaded.map((one) => ({ ...placeOf(one), fallback: String(one.skipped.length > 0) })));
}

function runSamples({ usage }: EngineStats): Sample[] {
  return usage.map((one) => [one.runs, placeOf(one)]);
}

function failureSamples({ timeouts, crashes, providerFailures }: EngineStats): Sample[] {
  return [
    [timeouts, { cause: "timeout" }],
    [crashes, { cause: "crash" }],
    [providerFailures, { cause: "provider" }],
  ];
}

function tally(all: readonly Record<string, string>[]): Sample[] {
  const counts = new Map<string, number>();
  for (const labels of all.map((one) => JSON.stringify(one)))
    counts.set(labels, (counts.get(labels) ?? 0) + 1);
  return [...counts].map(([labels, count]) => [count, JSON.parse(labels) as Record<string, string>]);
}
