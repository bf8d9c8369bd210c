/** What the chain's side counts, for Prometheus. */
import type { SenderEvent } from "./sender.ts";
import type { WatcherEvent } from "./step.ts";

const OUTCOMES = ["seen", "delivered", "refunded", "declined"] as const;
export type ChainOutcome = (typeof OUTCOMES)[number];

export interface ChainStats {
  requests: Record<ChainOutcome, number>;
  /** By what they do: deliver, commit, reveal, conclude, stake. */
  sent: Record<string, number>;
  replaced: number;
  unsent: number;
  failures: number;
  reorganisations: number;
  /** Blocks; undefined before the first look. */
  head: number | undefined;
  read: number | undefined;
}

export class ChainMetrics {
  readonly stats: ChainStats = {
    requests: { seen: 0, delivered: 0, refunded: 0, declined: 0 },
    sent: {},
    replaced: 0,
    unsent: 0,
    failures: 0,
    reorganisations: 0,
    head: undefined,
    read: undefined,
  };

  sender({ kind }: SenderEvent): void {
    this.stats[kind]++;
  }

  watcher(event: WatcherEvent): void {
    const { stats } = this;
    if (event.kind === "read") {
      stats.head = Number(event.head);
      stats.read = Number(event.block);
    } else if (event.kind === "seen") stats.requests.seen += event.count;
    else if (event.kind === "sent") stats.sent[event.step] = (stats.sent[event.step] ?? 0) + 1;
    else if (event.kind === "reorganised") stats.reorganisations++;
    else if (event.kind === "failed" || event.kind === "retry") stats.failures++;
    else stats.requests[event.kind]++;
  }
}
