/**
 * A tenant's limits at one replica. What all replicas share is in the database; each leases a little of it ahead, so that a
 * request costs no query. A replica that dies loses what it holds: a second's worth of requests, as much of the month's quota,
 * and its places for ten seconds.
 */
import type { Database, TenantLimits } from "../db/index.ts";
import { leaseLimits, reportUsage } from "../db/index.ts";
import { ServiceError } from "../problem.ts";
import { monthEndMs, monthOf, rateHeaders, type Standing } from "./rate-headers.ts";

/** What one lease takes ahead at most. */
const MOST_AHEAD = 1000;
/** A replica's share of the places, so that the first to ask does not take all. */
const PLACES_SHARE = 8;
const PLACES_MS = 10_000;
/** A lease that somebody else emptied is asked for again so often. */
const MAX_TRIES = 8;

export interface Outcome {
  answered: boolean;
  inputBytes: number;
  outputBytes: number;
}

export interface Admission {
  /** `RateLimit` and `RateLimit-Policy`, where there are limits. */
  headers: Record<string, string>;
  /** Tells how it went: once. */
  end(outcome: Outcome): void;
}

export interface MeterParts {
  database: Database;
  replica: string;
  nowMs: () => number;
  onLimited: (limit: "rate" | "concurrency" | "month") => void;
}

/** What the last lease said of the rest. */
const NOTHING_KNOWN = { bucket: 0, monthlyLeft: 0n, emptyUntilMs: 0, fullUntilMs: 0, monthOverIn: "" };

export class TenantMeter {
  readonly tenantId: string;
  readonly #parts: MeterParts;
  #tokens = 0;
  #month = "";
  #monthEndsMs = 0;
  #monthly = 0;
  #places = 0;
  #placesUntilMs = 0;
  #running = 0;
  /** Most that ran at one time since the last report. */
  #peak = 0;
  #waiting = 0;
  /** A lease or a report under way: one at a time, or the database would hold the older number of places. */
  #busy: Promise<void> | undefined;
  #limits: TenantLimits | undefined;
  #known = NOTHING_KNOWN;
  #used = { answered: 0, refused: 0, inputBytes: 0, outputBytes: 0 };
  #touchedMs = 0;

  constructor(tenantId: string, parts: MeterParts) {
    this.tenantId = tenantId;
    this.#parts = parts;
  }

  /**
   * Takes a place for one request.
   * @throws ServiceError `rate_limited`, `concurrency_limited`, `quota_exceeded`; DatabaseError where the limits cannot be asked for
   */
  async admit(limits: TenantLimits): Promise<Admission> {
    const nowMs = this.#parts.nowMs();
    this.#touchedMs = nowMs;
    this.#turnMonth(nowMs);
    if (this.#limits !== limits) {
      this.#limits = limits;
      this.#known = NOTHING_KNOWN;
    }
    for (let tries = 0; this.#lacks(limits, nowMs); tries++) {
      if (tries === MAX_TRIES) throw this.#refusal("rate", limits, nowMs);
      this.#refuseKnown(limits, nowMs);
      this.#waiting++;
      try {
        await (this.#busy ?? this.#alone(() => this.#lease(limits)));
      } finally {
        this.#waiting--;
      }
      this.#refuseKnown(limits, nowMs);
    }
    if (limits.requestsPerMinute !== null) this.#tokens--;
    if (limits.requestsPerMonth !== null) this.#monthly--;
    this.#peak = Math.max(this.#peak, ++this.#running);
    return {
      headers: rateHeaders(limits, this.#standing(limits), nowMs),
      end: (outcome) => this.#end(limits, outcome),
    };
  }

  #end(limits: TenantLimits, { answered, inputBytes, outputBytes }: Outcome): void {
    this.#running--;
    this.#used.inputBytes += inputBytes;
    this.#used.outputBytes += outputBytes;
    if (answered) this.#used.answered++;
    else {
      this.#used.refused++;
      // What got no answer is not of the month's quota; it was a request all the same.
      if (limits.requestsPerMonth !== null) this.#monthly++;
    }
  }

  #lacks(limits: TenantLimits, nowMs: number): boolean {
    return (
      (limits.requestsPerMinute !== null && this.#tokens < 1) ||
      (limits.requestsPerMonth !== null && this.#monthly < 1) ||
      (limits.concurrency !== null && this.#freePlaces(nowMs) < 1)
    );
  }

  #freePlaces(nowMs: number): number {
    return nowMs < this.#placesUntilMs ? this.#places - this.#running : 0;
  }

  /** Says no without asking again, as long as the last answer holds: a flood costs no queries. */
  #refuseKnown(limits: TenantLimits, nowMs: number): void {
    const { emptyUntilMs, fullUntilMs, monthOverIn } = this.#known;
    if (limits.requestsPerMonth !== null && this.#monthly < 1 && monthOverIn === this.#month)
      throw this.#refusal("month", limits, nowMs);
    if (limits.requestsPerMinute !== null && this.#tokens < 1 && nowMs < emptyUntilMs)
      throw this.#refusal("rate", limits, nowMs);
    if (limits.concurrency !== null && this.#freePlaces(nowMs) < 1 && nowMs < fullUntilMs)
      throw this.#refusal("concurrency", limits, nowMs);
  }

  #alone(work: () => Promise<void>): Promise<void> {
    this.#busy = work().finally(() => (this.#busy = undefined));
    return this.#busy;
  }

  async #lease(limits: TenantLimits): Promise<void> {
    const nowMs = this.#parts.nowMs();
    const perMinute = limits.requestsPerMinute ?? 0;
    const ahead = Math.min(MOST_AHEAD, Math.max(1, Math.ceil(perMinute / 60)));
    const wanted = Math.max(ahead, this.#waiting);
    const placesAhead = Math.ceil((limits.concurrency ?? 0) / PLACES_SHARE);
    const places = this.#running + Math.max(placesAhead, this.#waiting);
    const placesUntilMs = nowMs + PLACES_MS;
    const lease = await leaseLimits(this.#parts.database, {
      ...this.#who(),
      limits,
      nowMs,
      tokens: this.#tokens < 1 ? wanted : 0,
      monthly: this.#monthly < 1 ? Math.max(1, Math.min(wanted, MOST_AHEAD)) : 0,
      places,
      placesUntilMs,
    });
    this.#tokens += lease.tokens;
    this.#monthly += lease.monthly;
    this.#places = lease.places;
    this.#placesUntilMs = placesUntilMs;
    const tokenMs = perMinute > 0 ? ((1 - Math.min(1, lease.bucket)) * 60_000) / perMinute : 0;
    this.#known = {
      bucket: lease.bucket,
      monthlyLeft: lease.monthlyLeft,
      emptyUntilMs: this.#tokens < 1 ? nowMs + tokenMs : 0,
      // Another replica may give places back at its next report.
      fullUntilMs: this.#places <= this.#running ? nowMs + 100 : 0,
      monthOverIn: this.#monthly < 1 && lease.monthlyLeft === 0n ? this.#month : "",
    };
  }

  /** Tells of the use, keeps the places that are needed, and gives back the rest. @throws DatabaseError */
  async report(limits: TenantLimits, idleMs: number): Promise<void> {
    if (this.#busy) return;
    const idle = this.#parts.nowMs() - this.#touchedMs >= idleMs;
    const back = idle ? { tokens: this.#tokens, monthly: this.#monthly } : { tokens: 0, monthly: 0 };
    const places =
      limits.concurrency === null ? undefined : Math.min(this.#places, this.#peak, limits.concurrency);
    const told = [...Object.values(this.#used), ...Object.values(back), places ?? 0, this.#places];
    if (told.every((value) => value === 0)) return;
    await this.#alone(() => this.#report(back, places));
  }

  async #report(back: { tokens: number; monthly: number }, places: number | undefined): Promise<void> {
    const used = this.#used;
    this.#used = { answered: 0, refused: 0, inputBytes: 0, outputBytes: 0 };
    this.#tokens -= back.tokens;
    this.#monthly -= back.monthly;
    this.#places = places ?? 0;
    this.#peak = this.#running;
    const placesUntilMs = this.#parts.nowMs() + PLACES_MS;
    try {
      await reportUsage(this.#parts.database, { ...this.#who(), ...back, places, placesUntilMs, ...used });
      this.#placesUntilMs = placesUntilMs;
    } catch (error) {
      // The places stay given up: the database may have heard of it.
      for (const name of Object.keys(used) as (keyof typeof used)[]) this.#used[name] += used[name];
      throw error;
    }
  }

  #who() {
    return { tenantId: this.tenantId, replica: this.#parts.replica, month: this.#month };
  }

  /** What was leased of a month that is over stays with it. */
  #turnMonth(nowMs: number): void {
    if (nowMs < this.#monthEndsMs) return;
    this.#month = monthOf(nowMs);
    this.#monthEndsMs = monthEndMs(nowMs);
    this.#monthly = 0;
  }

  #standing(limits: TenantLimits): Standing {
    return {
      minute: Math.floor(Math.max(0, this.#known.bucket)) + this.#tokens,
      month: this.#known.monthlyLeft + BigInt(this.#monthly),
      concurrency: Math.max(0, (limits.concurrency ?? 0) - this.#running),
    };
  }

  #refusal(limit: "rate" | "concurrency" | "month", limits: TenantLimits, nowMs: number): ServiceError {
    this.#parts.onLimited(limit);
    this.#used.refused++;
    const headers = rateHeaders(limits, this.#standing(limits), nowMs);
    const waitMs = {
      rate: Math.max(this.#known.emptyUntilMs - nowMs, 0),
      concurrency: 1000,
      month: monthEndMs(nowMs) - nowMs,
    }[limit];
    const code = {
      rate: "rate_limited",
      concurrency: "concurrency_limited",
      month: "quota_exceeded",
    } as const;
    return new ServiceError(code[limit], undefined, {
      retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1000)),
      headers,
    });
  }
}
