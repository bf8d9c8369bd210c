/**
 * Watches a coordinator and answers what it asks of this service. Only blocks that are deep enough count, and only what they say
 * of a request ends it: until then each round looks again, so that nothing depends on when the service was stopped or what the
 * chain took back.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { bytesToHex, hexToBytes, type Address } from "viem";
import { equal } from "../../codec/index.ts";
import { ChainError } from "../../client/chain/index.ts";
import {
  dueRequests,
  endRequest,
  keepRead,
  readCursor,
  retryRequestLater,
  type ChainCursor,
  type ChainPlace,
  type ChainRequestRow,
} from "../db/index.ts";
import { answerRequest, type AnswerParts } from "./answer.ts";
import { STATUS, type Coordinator } from "./coordinator.ts";
import { Declined } from "./declined.ts";
import { deliveryOf } from "./delivery.ts";
import { keepEvent, readEvent, type Requested } from "./requested.ts";
import type { Sender } from "./sender.ts";

const BLOCKS_AT_ONCE = 1000n;
/** How far back is read again after a reorganisation that was deeper than what was waited for. */
const REREAD_BLOCKS = 256n;
const REQUESTS_AT_ONCE = 32;
const LONGEST_RETRY_MS = 60_000;
const MAX_PUBLIC_INPUT_BYTES = 64 * 1024;

export interface WatcherParts extends AnswerParts {
  coordinator: Coordinator;
  sender: Sender;
  /** Who is asked and paid: the chain key's account. */
  operator: Address;
  /** Blocks that must lie above a block before it counts. */
  confirmations: number;
  pollMs: number;
  /** The least payment by token (lower-case; zero for ether), in its smallest unit; other tokens are not taken. */
  prices: ReadonlyMap<string, bigint>;
  maxCallbackGas: number;
  nowMs: () => number;
  onEvent: (event: WatcherEvent) => void;
}

export type WatcherEvent =
  | { kind: "seen"; count: number; block: bigint }
  | { kind: "sent" | "delivered" | "refunded"; requestId: string }
  | { kind: "declined"; requestId: string; code: string }
  | { kind: "retry"; requestId: string; error: unknown }
  | { kind: "reorganised"; block: bigint }
  | { kind: "failed"; error: unknown };

export class Watcher {
  readonly #parts: WatcherParts;
  readonly #place: ChainPlace;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;

  constructor(parts: WatcherParts) {
    const { chainId, address } = parts.coordinator;
    this.#parts = parts;
    this.#place = { chainId: BigInt(chainId), coordinator: hexToBytes(address) };
    this.#running = this.#run();
  }

  stop(): Promise<void> {
    this.#stopping.abort();
    return this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      try {
        await this.#round();
      } catch (error) {
        if (!signal.aborted) this.#parts.onEvent({ kind: "failed", error });
      }
      await sleep(this.#parts.pollMs, undefined, { signal }).catch(() => undefined);
    }
  }

  async #round(): Promise<void> {
    const { coordinator, confirmations, database, sender, nowMs } = this.#parts;
    const confirmed = (await coordinator.head()) - BigInt(confirmations);
    if (confirmed < 0n) return;
    while (!this.#stopping.signal.aborted && (await this.#read(confirmed)));
    await sender.tend(confirmed);
    const due = { now: new Date(nowMs()), limit: REQUESTS_AT_ONCE };
    for (const row of await dueRequests(database, this.#place, due)) {
      if (this.#stopping.signal.aborted) return;
      await this.#handle(row, confirmed);
    }
  }

  /** Reads the next blocks. @returns whether there are more */
  async #read(confirmed: bigint): Promise<boolean> {
    const { coordinator, operator, database, onEvent } = this.#parts;
    const from = await this.#cursor(confirmed);
    if (from.block >= confirmed) return false;
    const last = from.block + BLOCKS_AT_ONCE < confirmed ? from.block + BLOCKS_AT_ONCE : confirmed;
    const cursor = await this.#cursorAt(last);
    const events = await coordinator.requested(operator, from.block + 1n, last);
    const seen = events.map((event) => ({
      requestId: hexToBytes(event.args.requestId),
      block: event.blockNumber,
      event: keepEvent(event),
      deadlineAt: new Date(event.args.terms.deadlineSeconds * 1000),
    }));
    await keepRead(database, this.#place, { cursor, seen });
    if (seen.length > 0) onEvent({ kind: "seen", count: seen.length, block: last });
    return last < confirmed;
  }

  /** Where to go on from. A coordinator that was never read is read from now on. */
  async #cursor(confirmed: bigint): Promise<ChainCursor> {
    const { database, onEvent } = this.#parts;
    const kept = await readCursor(database, this.#place);
    if (!kept) {
      const cursor = await this.#cursorAt(confirmed);
      await keepRead(database, this.#place, { cursor, seen: [] });
      return cursor;
    }
    // Above the head for a moment: another node of the endpoint is behind.
    if (kept.block > confirmed) return kept;
    const { blockHash } = await this.#cursorAt(kept.block);
    if (equal(blockHash, kept.blockHash)) return kept;
    onEvent({ kind: "reorganised", block: kept.block });
    return await this.#cursorAt(kept.block > REREAD_BLOCKS ? kept.block - REREAD_BLOCKS : 0n);
  }

  async #cursorAt(block: bigint): Promise<ChainCursor> {
    const { hash } = await this.#parts.coordinator.block(block);
    return { block, blockHash: hexToBytes(hash) };
  }

  async #handle(row: ChainRequestRow, confirmed: bigint): Promise<void> {
    const { database, onEvent, nowMs, pollMs } = this.#parts;
    const requestId = bytesToHex(row.requestId);
    try {
      const ended = await this.#advance(row, confirmed);
      if (ended) {
        await endRequest(database, row.requestId, { state: ended, code: null });
        onEvent({ kind: ended, requestId });
      } else {
        const at = new Date(nowMs() + pollMs);
        await retryRequestLater(database, row.requestId, { at, code: "under_way" });
      }
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      const code = codeOf(error);
      if (error instanceof Declined) {
        await endRequest(database, row.requestId, { state: "declined", code });
        onEvent({ kind: "declined", requestId, code });
        return;
      }
      const delayMs = Math.min(LONGEST_RETRY_MS, pollMs * 2 ** Math.min(row.attempts, 16));
      await retryRequestLater(database, row.requestId, { at: new Date(nowMs() + delayMs), code });
      onEvent({ kind: "retry", requestId, error });
    }
  }

  /** @returns how the request ended, as far as blocks that count say so */
  async #advance(row: ChainRequestRow, confirmed: bigint): Promise<"delivered" | "refunded" | undefined> {
    const { coordinator, sender, nowMs, onEvent } = this.#parts;
    const requestId = bytesToHex(row.requestId);
    const status = await coordinator.status(requestId, confirmed);
    if (status === STATUS.delivered) return "delivered";
    if (status === STATUS.refunded) return "refunded";
    // Sent, and not deep enough yet; or the transaction was mined and failed.
    if ((await coordinator.status(requestId)) !== STATUS.open) return undefined;
    if (nowMs() > row.deadlineAt.getTime()) throw new Declined("deadline_passed");
    if (await sender.isUnderWay(row.requestId)) return undefined;
    const request = readEvent(row.event);
    this.#accept(request);
    const answer = await answerRequest(this.#parts, this.#place, request, this.#stopping.signal);
    const { receipt, zkProof } = await deliveryOf(this.#parts, answer);
    await sender.deliver(row.requestId, receipt, zkProof);
    onEvent({ kind: "sent", requestId });
    return undefined;
  }

  /** @throws Declined */
  #accept({ token, payment, callbackGas, publicInput }: Requested): void {
    const { prices, maxCallbackGas } = this.#parts;
    const price = prices.get(token.toLowerCase());
    if (price === undefined) throw new Declined("token_not_taken");
    if (payment < price) throw new Declined("payment_too_low");
    if (callbackGas > maxCallbackGas) throw new Declined("callback_gas_too_high");
    if (publicInput.length > MAX_PUBLIC_INPUT_BYTES) throw new Declined("input_too_large");
  }
}

function codeOf(error: unknown): string {
  if (error instanceof ChainError) return error.detail ?? error.code;
  const { code } = error as { code?: unknown };
  return typeof code === "string" && /^\w{1,64}$/.test(code) ? code : "failed";
}
