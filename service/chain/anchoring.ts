/**
 * Anchors the log's heads on a chain. What a crash leaves behind is at most a transaction that is mined or not, and the next round
 * starts from what the chain then has.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { sha256, utf8 } from "../../codec/index.ts";
import {
  anchorCall,
  anchoredHead,
  ChainError,
  type CheckpointSource,
  type Deployment,
} from "../../client/chain/index.ts";
import type { ChainNode } from "./node.ts";
import type { Sender } from "./sender.ts";

const MINED_TIMEOUT_MS = 180_000;
const LOOK_MS = 1000;
const SUBJECT = sha256(utf8("affidavit.v1.chain-anchor"));

export interface AnchoringOptions {
  deployment: Deployment;
  node: ChainNode;
  sender: Sender;
  confirmations: number;
  intervalMs: number;
  /** What is anchored: this service's own log. */
  source: CheckpointSource;
  onAnchored: (anchored: { size: bigint }) => void;
  onError: (error: unknown) => void;
}

export interface Anchoring {
  stop(): Promise<void>;
}

/** One round at the start, then one an interval; a round without anything new sends nothing. */
export function startAnchoring(options: AnchoringOptions): Anchoring {
  const stopping = new AbortController();
  const { signal } = stopping;
  const running = (async () => {
    while (!signal.aborted) {
      await anchorOnce(options, signal).catch((error: unknown) => {
        const isNothingNew = error instanceof ChainError && error.code === "checkpoint_not_newer";
        if (!isNothingNew && !signal.aborted) options.onError(error);
      });
      await sleep(options.intervalMs, undefined, { signal }).catch(() => undefined);
    }
  })();
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}

async function anchorOnce(options: AnchoringOptions, signal: AbortSignal): Promise<void> {
  const { deployment, node, sender, source, onAnchored } = options;
  // One of before this start may yet be mined.
  await mined(options, signal);
  const { anchored, call } = await anchorCall(node.reader, deployment, source);
  await sender.send(SUBJECT, { ...call, abi: [...call.abi] });
  await mined(options, signal);
  if (signal.aborted) return;
  const { size } = await anchoredHead(node.reader, deployment, anchored.logId);
  if (size < anchored.size) throw new ChainError("transaction_failed", "the anchor was reverted");
  onAnchored({ size: anchored.size });
}

/** Waits until the anchor is mined, and sees to it that it is. @throws ChainError `transaction_failed` where that takes too long */
async function mined({ node, sender, confirmations }: AnchoringOptions, signal: AbortSignal): Promise<void> {
  const untilMs = Date.now() + MINED_TIMEOUT_MS;
  while (!signal.aborted && (await sender.isUnderWay(SUBJECT))) {
    if (Date.now() > untilMs) throw new ChainError("transaction_failed", "the anchor is not mined yet");
    await sleep(LOOK_MS, undefined, { signal }).catch(() => undefined);
    const confirmed = (await node.head()) - BigInt(confirmations);
    await sender.tend(confirmed > 0n ? confirmed : 0n);
  }
}
