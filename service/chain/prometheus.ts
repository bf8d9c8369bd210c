/** The chain's figures for Prometheus, read when they are asked for. */
import { Counter, Gauge, type Registry } from "prom-client";
import type { ChainStats } from "./chain-metrics.ts";

type Sample = readonly [value: number | undefined, labels?: Record<string, string>];

export function registerChainMetrics(registry: Registry, stats: () => ChainStats): void {
  const registers = [registry];
  const counter = (
    name: string,
    help: string,
    read: (now: ChainStats) => Sample[],
    labelNames: string[] = [],
  ) =>
    new Counter({
      name: `affidavit_chain_${name}_total`,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        for (const [value = 0, labels = {}] of read(stats())) this.inc(labels, value);
      },
    });
  const gauge = (name: string, help: string, read: (now: ChainStats) => number | undefined) =>
    new Gauge({
      name: `affidavit_chain_${name}`,
      help,
      registers,
      collect() {
        this.reset();
        const value = read(stats());
        if (value !== undefined) this.set(value);
      },
    });
  counter(
    "requests",
    "Requests of contracts by what became of them",
    ({ requests }) => labelled("outcome", requests),
    ["outcome"],
  );
  counter(
    "transactions",
    "Transactions about requests, by what they do",
    ({ sent }) => labelled("step", sent),
    ["step"],
  );
  counter("replacements", "Transactions replaced at a higher price", ({ replaced }) => [[replaced]]);
  counter("unsent", "Times that a transaction could not be sent again", ({ unsent }) => [[unsent]]);
  counter("failures", "Looks at the chain, and tries at requests, that failed", ({ failures }) => [
    [failures],
  ]);
  counter("reorganisations", "Reorganisations deeper than was waited for", ({ reorganisations }) => [
    [reorganisations],
  ]);
  gauge("head_block", "The newest block", ({ head }) => head);
  gauge("read_block", "The last block whose requests were read", ({ read }) => read);
}

function labelled(name: string, counts: Record<string, number>): Sample[] {
  return Object.entries(counts).map(([label, value]) => [value, { [name]: label }]);
}
