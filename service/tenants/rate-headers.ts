/** `RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers-10), and the calendar months of quotas. */
import type { TenantLimits } from "../db/index.ts";

/** What is left of each limit, as far as this replica knows. */
export interface Standing {
  minute: number;
  month: bigint;
  concurrency: number;
}

/** `2027-01`, in UTC. */
export function monthOf(nowMs: number): string {
  return new Date(nowMs).toISOString().slice(0, 7);
}

export function monthEndMs(nowMs: number): number {
  const now = new Date(nowMs);
  return Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1, 1);
}

/** A structured-field integer has 15 digits at most. */
const MOST = 10n ** 15n - 1n;
const bounded = (value: bigint): bigint => (value > MOST ? MOST : value);

export function rateHeaders(limits: TenantLimits, left: Standing, nowMs: number): Record<string, string> {
  const { requestsPerMinute, requestsPerMonth, concurrency } = limits;
  const policies: string[] = [];
  const standings: string[] = [];
  if (requestsPerMinute !== null) {
    const remaining = Math.min(requestsPerMinute, Math.max(0, left.minute));
    const fullInSeconds = Math.ceil(((requestsPerMinute - remaining) * 60) / requestsPerMinute);
    policies.push(`"minute";q=${requestsPerMinute};w=60`);
    standings.push(`"minute";r=${remaining};t=${fullInSeconds}`);
  }
  if (requestsPerMonth !== null) {
    const end = monthEndMs(nowMs);
    policies.push(`"month";q=${bounded(requestsPerMonth)}`);
    standings.push(`"month";r=${bounded(left.month)};t=${Math.ceil((end - nowMs) / 1000)}`);
  }
  if (concurrency !== null) {
    policies.push(`"concurrency";q=${concurrency};qu="concurrent-requests"`);
    standings.push(`"concurrency";r=${left.concurrency}`);
  }
  if (policies.length === 0) return {};
  return { "ratelimit-policy": policies.join(", "), ratelimit: standings.join(", ") };
}
