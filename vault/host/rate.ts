import { toHex } from "../../codec/index.ts";

/** Accounts that are counted; beyond, the one that came first is forgotten. */
const MAX_ACCOUNTS = 100_000;

/** A token bucket for each account. */
export class AccountRates {
  readonly #make: () => RateLimit;
  readonly #accounts = new Map<string, RateLimit>();

  constructor(burst: number, perSecond: number, nowMs: () => number) {
    this.#make = () => new RateLimit(burst, perSecond, nowMs);
  }

  /** Whether the account may have one more now; takes a token if so. */
  take(account: Uint8Array): boolean {
    const name = toHex(account);
    const known = this.#accounts.get(name);
    if (known) return known.take();
    if (this.#accounts.size >= MAX_ACCOUNTS) this.#accounts.delete(this.#accounts.keys().next().value!);
    const made = this.#make();
    this.#accounts.set(name, made);
    return made.take();
  }

  /** A token that was taken is there again. */
  giveBack(account: Uint8Array): void {
    this.#accounts.get(toHex(account))?.giveBack();
  }
}

/** A token bucket. */
export class RateLimit {
  readonly #burst: number;
  readonly #perSecond: number;
  readonly #nowMs: () => number;
  #tokens: number;
  #filledAtMs: number;

  constructor(burst: number, perSecond: number, nowMs: () => number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#nowMs = nowMs;
    this.#tokens = burst;
    this.#filledAtMs = nowMs();
  }

  /** Whether one more may pass now; takes a token if so. A clock that steps back adds none. */
  take(): boolean {
    const nowMs = this.#nowMs();
    const elapsedMs = Math.max(0, nowMs - this.#filledAtMs);
    this.#filledAtMs = nowMs;
    this.#tokens = Math.min(this.#burst, this.#tokens + (elapsedMs / 1000) * this.#perSecond);
    if (this.#tokens < 1) return false;
    this.#tokens -= 1;
    return true;
  }

  /** A token that was taken is there again. */
  giveBack(): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + 1);
  }
}
