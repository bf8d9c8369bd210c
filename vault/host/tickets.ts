/** Request ids drawn ahead of their one signature. */
import { randomBytes } from "node:crypto";
import { VaultError } from "../error.ts";

export interface TicketLimits {
  /** Tickets that may be out; drawing more drops the oldest. */
  maxOutstanding: number;
  lifetimeMs: number;
}

export const TICKET_LIMITS: TicketLimits = { maxOutstanding: 65_536, lifetimeMs: 10 * 60_000 };

export class Tickets {
  readonly #limits: TicketLimits;
  readonly #nowMs: () => number;
  /** Insertion order is age: a ticket is never written twice. */
  readonly #drawnAtMs = new Map<string, number>();

  constructor(nowMs: () => number, limits: TicketLimits = TICKET_LIMITS) {
    this.#nowMs = nowMs;
    this.#limits = limits;
  }

  get outstanding(): number {
    return this.#drawnAtMs.size;
  }

  /** So many 32-byte request ids. */
  draw(count: number): Uint8Array[] {
    const nowMs = this.#nowMs();
    const tickets = Array.from({ length: count }, () => randomBytes(32));
    for (const ticket of tickets) this.#drawnAtMs.set(keyOf(ticket), nowMs);
    this.#dropOld();
    return tickets;
  }

  /** @throws VaultError `ticket_unknown`, `ticket_expired` */
  check(requestId: Uint8Array): void {
    const drawnAtMs = this.#drawnAtMs.get(keyOf(requestId));
    if (drawnAtMs === undefined) throw new VaultError("ticket_unknown");
    if (this.#nowMs() - drawnAtMs > this.#limits.lifetimeMs) throw new VaultError("ticket_expired");
  }

  /** Uses a ticket up. @throws VaultError `ticket_unknown`, `ticket_expired` */
  consume(requestId: Uint8Array): void {
    this.check(requestId);
    this.#drawnAtMs.delete(keyOf(requestId));
  }

  /** Expired tickets stay until they are crowded out, so that their holder learns why it is refused. */
  #dropOld(): void {
    for (const key of this.#drawnAtMs.keys()) {
      if (this.#drawnAtMs.size <= this.#limits.maxOutstanding) return;
      this.#drawnAtMs.delete(key);
    }
  }
}

function keyOf(requestId: Uint8Array): string {
  return Buffer.from(requestId.buffer, requestId.byteOffset, requestId.length).toString("latin1");
}
