/** The one form of every bench: figures with 95 % bounds, and what was not measured and why. See bench/README.md. */
import { cpus, totalmem } from "node:os";

export interface Figure {
  name: string;
  value: number;
  /** 95 % bounds of the median by bootstrap. */
  ci: [number, number];
  unit: string;
  aim?: number;
  better: "lower" | "higher";
  runs: number;
}

export interface Report {
  bench: string;
  figures: Figure[];
  notMeasured: { name: string; why: string }[];
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** Deterministic, so that a report can be made again from the same samples. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** 95 % bounds of the median by the percentile bootstrap, 1,000 resamples. */
export function bounds(values: readonly number[]): [number, number] {
  const random = generator(1);
  const medians = Array.from({ length: 1000 }, () =>
    median(Array.from(values, () => values[Math.floor(random() * values.length)]!)),
  ).sort((a, b) => a - b);
  return [medians[25]!, medians[974]!];
}

type Shape = Pick<Figure, "unit" | "better"> & { aim?: number };

/** A figure from its samples: per-pair ratios, or single values. */
export function figure(name: string, samples: readonly number[], shape: Shape): Figure {
  const [low, high] = bounds(samples);
  const { unit, better, aim } = shape;
  const rounded = { value: round(median(samples)), ci: [round(low), round(high)] as [number, number] };
  return { name, ...rounded, unit, ...(aim === undefined ? {} : { aim }), better, runs: samples.length };
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}

export function machine(): Record<string, unknown> {
  const processors = cpus();
  return {
    cpu: processors[0]?.model ?? "unknown",
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    platform: `${process.platform}-${process.arch}`,
    node: process.versions.node,
  };
}

export function print({ bench, figures, notMeasured }: Report, json: boolean): void {
  if (!json) {
    for (const { name, value, ci, unit, aim } of figures) {
      const wanted = aim === undefined ? "" : `, aim ${aim}`;
      process.stdout.write(`${name.padEnd(28)} ${value} ${unit} (95 %: ${ci[0]} to ${ci[1]}${wanted})\n`);
    }
    for (const { name, why } of notMeasured)
      process.stdout.write(`${name.padEnd(28)} not measured: ${why}\n`);
  }
  process.stdout.write(JSON.stringify({ bench, machine: machine(), figures, notMeasured }) + "\n");
}
