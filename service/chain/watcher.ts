/**
 * Watches a coordinator and answers what it asks of this service. Only blocks that are deep enough count, and only what they say
 * of a request ends it: until then each round looks again, so that nothing depends on when the service was stopped or what the
 * chain took back.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { bytesToHex, hexToBytes } from "viem";
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
import { answerRequest } from "./answer.ts";
import { coordinatorCall, sameAddress, STATUS, type KeptRequest } from "./coordinator.ts";
import { Declined, NotYet } from "./declined.ts";
import { deliveryOf } from "./delivery.ts";
import { advanceVote, mustReveal } from "./panel.ts";
import { keepEvent, readAsked } from "./requested.ts";
import { accept, type Step, type WatcherParts } from "./step.ts";

const BLOCKS_AT_ONCE = 1000n;
/** How far back is read again after a reorganisation that was deeper than what was waited for. */
const REREAD_BLOCKS = 256n;
const REQUESTS_AT_ONCE = 32;
const LONGEST_RETRY_MS = 60_000;

export class Watcher {
  readonly #parts: WatcherParts;
  readonly #place: ChainPlace;
  readonly #stopping = new AbortController();
  readonly #running: Promise<void>;

  constructor(parts: WatcherParts) {
    this.#parts = parts;
    this.#place = parts.place;
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
    const { coordinator, confirmations, database, sender, nowMs, afterRound, onEvent } = this.#parts;
    const head = await coordinator.node.head();
    const confirmed = head - BigInt(confirmations);
    if (confirmed < 0n) return;
    while (!this.#stopping.signal.aborted && (await this.#read(confirmed)));
    onEvent({ kind: "read", head, block: confirmed });
    await sender.tend(confirmed);
    const due = { now: new Date(nowMs()), limit: REQUESTS_AT_ONCE };
    for (const row of await dueRequests(database, this.#place, due)) {
      if (this.#stopping.signal.aborted) return;
      await this.#handle(row, confirmed);
    }
    await afterRound();
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
    const { hash } = await this.#parts.coordinator.node.block(block);
    return { block, blockHash: hexToBytes(hash) };
  }

  async #handle(row: ChainRequestRow, confirmed: bigint): Promise<void> {
    const { database, onEvent, nowMs, pollMs } = this.#parts;
    const requestId = bytesToHex(row.requestId);
    const again = (code: string, attempts: number, delayMs: number) =>
      retryRequestLater(database, row.requestId, { at: new Date(nowMs() + delayMs), code, attempts });
    try {
      const ended = await this.#advance(row, confirmed);
      if (!ended) return await again("under_way", 0, pollMs);
      await endRequest(database, row.requestId, { state: ended, code: null });
      onEvent({ kind: ended, requestId });
    } catch (error) {
      if (this.#stopping.signal.aborted) return;
      if (error instanceof NotYet) return await again(error.code, 0, pollMs);
      const code = codeOf(error);
      if (error instanceof Declined) {
        await endRequest(database, row.requestId, { state: "declined", code });
        onEvent({ kind: "declined", requestId, code });
        return;
      }
      const delayMs = Math.min(LONGEST_RETRY_MS, pollMs * 2 ** Math.min(row.attempts, 16));
      await again(code, row.attempts + 1, delayMs);
      onEvent({ kind: "retry", requestId, error });
    }
  }

  /** @returns how the request ended, as far as blocks that count say so */
  async #advance(row: ChainRequestRow, confirmed: bigint): Promise<"delivered" | "refunded" | undefined> {
    const { coordinator, sender, nowMs, operator } = this.#parts;
    const requestId = bytesToHex(row.requestId);
    const { status } = await coordinator.request(requestId, confirmed);
    const ended = status === STATUS.delivered || status === STATUS.refunded;
    if (ended && !(await mustReveal(this.#parts, requestId, confirmed)))
      return status === STATUS.delivered ? "delivered" : "refunded";
    if (await sender.isUnderWay(row.requestId)) return undefined;
    const request = await coordinator.request(requestId);
    // Taken back by the chain: it may come again.
    if (request.status === STATUS.none) throw new NotYet("not_on_chain");
    const question = { ...readAsked(this.#place, row.requestId, row.event), assurance: request.assurance };
    const answer = () => answerRequest(this.#parts, this.#place, question, this.#stopping.signal);
    const step = { row, requestId, request, question, answer };
    if (!isSingle(request)) return await advanceVote(this.#parts, step);
    if (!sameAddress(request.operator, operator)) throw new Declined("operator_mismatch");
    // Sent, and not deep enough yet.
    if (request.status !== STATUS.open) return undefined;
    if (nowMs() > request.deadlineSeconds * 1000) throw new Declined("deadline_passed");
    accept(this.#parts, step, 1n);
    await this.#deliver(step);
    return undefined;
  }

  async #deliver({ row, request, answer }: Step): Promise<void> {
    const { coordinator, sender, onEvent } = this.#parts;
    const { receipt, zkProof } = await deliveryOf(this.#parts, request, await answer());
    await sender.send(row.requestId, coordinatorCall(coordinator.address, "deliver", [receipt, zkProof]));
    onEvent({ kind: "sent", requestId: bytesToHex(row.requestId), step: "deliver" });
  }
}

function isSingle({ operator }: KeptRequest): boolean {
  return BigInt(operator) !== 0n;
}

function codeOf(error: unknown): string {
  if (error instanceof ChainError) return error.detail ?? error.code;
  const { code } = error as { code?: unknown };
  return typeof code === "string" && /^\w{1,64}$/.test(code) ? code : "failed";
}
