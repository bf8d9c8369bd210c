/** Answers the requests of contracts. */
import { hexToBytes } from "viem";
import type { Logger } from "pino";
import { ChainError } from "../../client/chain/index.ts";
import type { AnsweredChain, ChainView } from "../chain-services.ts";
import { ServiceError } from "../problem.ts";
import type { AnswerParts } from "./answer.ts";
import type { ChainKey } from "./chain-key.ts";
import { Coordinator } from "./coordinator.ts";
import { Openings } from "./openings.ts";
import { Payouts, type PayoutEvent } from "./payouts.ts";
import { viewRequest } from "./request-view.ts";
import type { WatcherEvent } from "./step.ts";
import { Watcher } from "./watcher.ts";

type AnsweringParts = Omit<AnswerParts, "inferenceTimeoutMs" | "openings">;

/**
 * @param cleanup gets how to stop it
 * @returns undefined where the operator set no prices, so that nothing is answered
 */
export function answerContracts(
  parts: AnsweringParts,
  { config, log, node, sender, deployment, answered, metrics }: ChainKey,
  cleanup: (name: string, undo: () => Promise<unknown>) => void,
): AnsweredChain | undefined {
  if (!answered) return undefined;
  const { prices } = answered;
  const coordinator = new Coordinator(node, answered.coordinator);
  const { chainId, receiptVerifier } = deployment;
  const place = { chainId: BigInt(chainId), coordinator: hexToBytes(coordinator.address) };
  const { chainMaxCallbackGas: maxCallbackGas, chainMaxBondWei: maxBondWei } = config;
  const common = { ...parts, coordinator, place, maxBondWei, sender, nowMs: Date.now };
  const openings = new Openings(common);
  const { chainPayee: payee, chainPayouts: payouts = new Map<string, bigint>() } = config;
  const paying = new Payouts({ ...common, payee, payouts, onEvent: (event) => reportPayout(log, event) });
  const watcher = new Watcher({
    ...common,
    openings,
    receiptVerifier,
    inferenceTimeoutMs: config.inferenceTimeoutMs,
    operator: sender.account,
    confirmations: config.chainConfirmations,
    pollMs: config.chainPollMs,
    prices,
    maxCallbackGas,
    onEvent(event) {
      metrics.watcher(event);
      report(log, event);
    },
    afterRound: () => paying.round(),
  });
  cleanup("contracts", () => watcher.stop());
  const operator = sender.account;
  log.info({ chainId, coordinator: coordinator.address, operator }, "requests of contracts are answered");
  const view: ChainView = {
    chainId,
    coordinator: coordinator.address,
    receiptVerifier,
    operator,
    confirmations: config.chainConfirmations,
    maxCallbackGas,
    maxBond: maxBondWei.toString(),
    prices: [...prices].map(([token, amount]) => ({ token, amount: amount.toString() })),
  };
  return {
    view,
    open: (requestId, opening) => answering(() => openings.post(requestId, opening)),
    request: (requestId) => answering(() => viewRequest(common, requestId)),
  };
}

/** What the chain's endpoint does not answer is no fault of the caller's. @throws ServiceError `chain_unavailable` */
async function answering<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof ChainError) throw new ServiceError("chain_unavailable");
    throw error;
  }
}

function reportPayout(log: Logger, event: PayoutEvent): void {
  if (event.kind === "unpaid") log.warn({ err: event.error }, "nothing withdrawn this time");
  else log.info({ ...event, amount: event.amount.toString() }, "withdrawn from the coordinator");
}

function report(log: Logger, event: WatcherEvent): void {
  if (event.kind === "read") return;
  if (event.kind === "failed") log.warn({ err: event.error }, "the chain cannot be read now");
  else if (event.kind === "retry")
    log.warn({ err: event.error, requestId: event.requestId }, "not delivered yet");
  else if (event.kind === "seen")
    log.info({ count: event.count, block: Number(event.block) }, "requests seen");
  else if (event.kind === "reorganised")
    log.warn({ block: Number(event.block) }, "the chain was reorganised");
  else log.info(event, "a contract's request");
}
