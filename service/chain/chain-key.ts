/** The chain's endpoint, and the one sender of the chain key's transactions: anchors and answers share its nonces. */
import { bytesToHex, getAddress } from "viem";
import type { Logger } from "pino";
import type { Config } from "../config.ts";
import type { Database } from "../db/index.ts";
import type { Metrics } from "../metrics.ts";
import type { SessionHolder } from "../session.ts";
import { ChainMetrics } from "./chain-metrics.ts";
import { ChainNode } from "./node.ts";
import { registerChainMetrics } from "./prometheus.ts";
import type { ChainSettings } from "./policy.ts";
import { Sender, type SenderEvent } from "./sender.ts";

export interface ChainKey extends ChainSettings {
  config: Config;
  log: Logger;
  node: ChainNode;
  sender: Sender;
  metrics: ChainMetrics;
}

interface Parts {
  config: Config;
  database: Database;
  sessions: SessionHolder;
  metrics: Metrics;
  log: Logger;
}

/** @throws ChainError where the contracts are not there; VaultError */
export async function openChainKey(
  settings: ChainSettings,
  { config, database, sessions, metrics, log }: Parts,
): Promise<ChainKey> {
  const node = await ChainNode.open(settings.rpcUrl, settings.deployment);
  const account = getAddress(bytesToHex(await sessions.current().vault.chainAccount()));
  log.info({ address: account.toLowerCase() }, "chain account");
  const counted = new ChainMetrics();
  registerChainMetrics(metrics.registry, () => counted.stats);
  const { chainMaxWeiPerTransaction: maxWeiPerTransaction } = config;
  const onEvent = (event: SenderEvent) => {
    counted.sender(event);
    if (event.kind === "unsent")
      log.warn({ err: event.error, nonceOnChain: Number(event.nonce) }, "not sent again");
    else log.info({ nonceOnChain: Number(event.nonce) }, "a transaction was replaced at a higher price");
  };
  const parts = { database, sessions, node, account, maxWeiPerTransaction, nowMs: Date.now, onEvent };
  return { ...settings, config, log, node, sender: new Sender(parts), metrics: counted };
}
