/** Answers the requests of contracts. */
import { bytesToHex, getAddress } from "viem";
import type { Logger } from "pino";
import type { Config } from "../config.ts";
import type { ChainView } from "../services.ts";
import type { AnswerParts } from "./answer.ts";
import { Coordinator } from "./coordinator.ts";
import type { ChainSettings } from "./policy.ts";
import { Sender } from "./sender.ts";
import { Watcher, type WatcherEvent } from "./watcher.ts";

interface AnsweringParts extends Omit<AnswerParts, "inferenceTimeoutMs"> {
  config: Config;
  log: Logger;
}

/**
 * @param cleanup gets how to stop it
 * @returns undefined where the operator set no prices, so that nothing is answered
 * @throws ChainError where the contracts are not there; VaultError
 */
export async function answerContracts(
  parts: AnsweringParts,
  { rpcUrl, deployment, answered }: ChainSettings,
  cleanup: (name: string, undo: () => Promise<unknown>) => void,
): Promise<ChainView | undefined> {
  if (!answered) return undefined;
  const { config, log, sessions } = parts;
  const { coordinator: address, prices } = answered;
  const coordinator = await Coordinator.open(rpcUrl, deployment, address);
  const operator = getAddress(bytesToHex(await sessions.current().vault.chainAccount()));
  const { inferenceTimeoutMs, chainMaxWeiPerTransaction: maxWeiPerTransaction } = config;
  const common = { ...parts, coordinator, nowMs: Date.now };
  const { chainConfirmations: confirmations, chainMaxCallbackGas: maxCallbackGas } = config;
  const watcher = new Watcher({
    ...common,
    inferenceTimeoutMs,
    sender: new Sender({ ...common, account: operator, maxWeiPerTransaction }),
    operator,
    confirmations,
    pollMs: config.chainPollMs,
    prices,
    maxCallbackGas,
    onEvent: (event) => report(log, event),
  });
  cleanup("contracts", () => watcher.stop());
  const { chainId } = deployment;
  log.info({ chainId, coordinator: address, operator }, "requests of contracts are answered");
  return {
    chainId,
    coordinator: address,
    receiptVerifier: deployment.receiptVerifier,
    operator,
    confirmations,
    maxCallbackGas,
    prices: [...prices].map(([token, amount]) => ({ token, amount: amount.toString() })),
  };
}

function report(log: Logger, event: WatcherEvent): void {
  if (event.kind === "failed") log.warn({ err: event.error }, "the chain cannot be read now");
  else if (event.kind === "retry")
    log.warn({ err: event.error, requestId: event.requestId }, "not delivered yet");
  else if (event.kind === "seen")
    log.info({ count: event.count, block: Number(event.block) }, "requests seen");
  else if (event.kind === "reorganised")
    log.warn({ block: Number(event.block) }, "the chain was reorganised");
  else log.info(event, "a contract's request");
}
