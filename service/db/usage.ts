/**
 * What replicas lease of a tenant's limits, and what they tell of its use. A lease is one transaction that holds the tenant's
 * bucket row, so that replicas take turns. Times are the caller's clock: one that runs behind another refills nothing.
 */
import { and, desc, eq, gt, lte, ne, sql } from "drizzle-orm";
import type { Database } from "./connect.ts";
import { guarded } from "./error.ts";
import type { Transaction } from "./directory.ts";
import { tenantBuckets, tenantMonths, tenantPlaces } from "./schema.ts";

/** Null for what is not limited. */
export interface TenantLimits {
  requestsPerMinute: number | null;
  concurrency: number | null;
  requestsPerMonth: bigint | null;
}

export interface LeaseWanted {
  tenantId: string;
  /** Names who leases. */
  replica: string;
  limits: TenantLimits;
  nowMs: number;
  /** `2027-01` */
  month: string;
  tokens: number;
  monthly: number;
  /** Places held from now on; those held before count among them. */
  places: number;
  placesUntilMs: number;
}

export interface Lease {
  tokens: number;
  /** What the bucket holds now: below 1 it is empty. */
  bucket: number;
  monthly: number;
  /** Of the month's quota, for everybody. */
  monthlyLeft: bigint;
  places: number;
}

const MINUTE_MS = 60_000;

export async function leaseLimits(database: Database, wanted: LeaseWanted): Promise<Lease> {
  return await guarded(
    database.orm.transaction(async (tx) => {
      const bucket = await lockBucket(tx, wanted);
      const tokens = Math.min(wanted.tokens, Math.floor(bucket));
      await putBucket(tx, wanted, bucket - tokens);
      const { monthly, monthlyLeft } = await leaseMonth(tx, wanted);
      const places = await leasePlaces(tx, wanted);
      return { tokens, bucket: bucket - tokens, monthly, monthlyLeft, places };
    }),
  );
}

/** What the bucket holds at this time: a minute's worth at most, and as much where nobody asked before. */
async function lockBucket(tx: Transaction, { tenantId, limits, nowMs }: LeaseWanted): Promise<number> {
  const most = limits.requestsPerMinute ?? 0;
  const refilledAt = new Date(nowMs);
  await tx.insert(tenantBuckets).values({ tenantId, tokens: most, refilledAt }).onConflictDoNothing();
  const [row] = await tx
    .select()
    .from(tenantBuckets)
    .where(eq(tenantBuckets.tenantId, tenantId))
    .for("update");
  const elapsedMs = Math.max(0, nowMs - row!.refilledAt.getTime());
  return Math.min(most, Math.max(0, row!.tokens) + (most * elapsedMs) / MINUTE_MS);
}

async function putBucket(tx: Transaction, { tenantId, nowMs }: LeaseWanted, tokens: number): Promise<void> {
  const refilledAt = sql`greatest(${tenantBuckets.refilledAt}, ${new Date(nowMs)})`;
  await tx.update(tenantBuckets).set({ tokens, refilledAt }).where(eq(tenantBuckets.tenantId, tenantId));
}

async function leaseMonth(
  tx: Transaction,
  { tenantId, month, limits, monthly }: LeaseWanted,
): Promise<{ monthly: number; monthlyLeft: bigint }> {
  const quota = limits.requestsPerMonth;
  if (quota === null) return { monthly: 0, monthlyLeft: 0n };
  await tx.insert(tenantMonths).values(emptyMonth(tenantId, month)).onConflictDoNothing();
  const mine = and(eq(tenantMonths.tenantId, tenantId), eq(tenantMonths.month, month));
  const [row] = await tx.select({ leased: tenantMonths.leased }).from(tenantMonths).where(mine).for("update");
  const left = quota > row!.leased ? quota - row!.leased : 0n;
  const granted = left < BigInt(monthly) ? left : BigInt(monthly);
  if (granted > 0n)
    await tx
      .update(tenantMonths)
      .set({ leased: row!.leased + granted })
      .where(mine);
  return { monthly: Number(granted), monthlyLeft: left - granted };
}

async function leasePlaces(
  tx: Transaction,
  { tenantId, replica, limits, nowMs, places, placesUntilMs }: LeaseWanted,
): Promise<number> {
  if (limits.concurrency === null) return 0;
  const now = new Date(nowMs);
  const [others] = await tx
    .select({ places: sql<string>`coalesce(sum(${tenantPlaces.places}), 0)` })
    .from(tenantPlaces)
    .where(
      and(
        eq(tenantPlaces.tenantId, tenantId),
        ne(tenantPlaces.replica, replica),
        gt(tenantPlaces.expiresAt, now),
      ),
    );
  const granted = Math.max(0, Math.min(places, limits.concurrency - Number(others!.places)));
  await holdPlaces(tx, { tenantId, replica, places: granted, untilMs: placesUntilMs });
  return granted;
}

async function holdPlaces(
  tx: Transaction,
  {
    tenantId,
    replica,
    places,
    untilMs,
  }: { tenantId: string; replica: string; places: number; untilMs: number },
): Promise<void> {
  if (places === 0) {
    const mine = and(eq(tenantPlaces.tenantId, tenantId), eq(tenantPlaces.replica, replica));
    await tx.delete(tenantPlaces).where(mine);
    return;
  }
  const expiresAt = new Date(untilMs);
  await tx
    .insert(tenantPlaces)
    .values({ tenantId, replica, places, expiresAt })
    .onConflictDoUpdate({
      target: [tenantPlaces.tenantId, tenantPlaces.replica],
      set: { places, expiresAt },
    });
}

export interface UsageReport {
  tenantId: string;
  replica: string;
  month: string;
  /** Given back unused. */
  tokens: number;
  monthly: number;
  /** Places held from now on; undefined where there is no such limit. */
  places: number | undefined;
  placesUntilMs: number;
  answered: number;
  refused: number;
  inputBytes: number;
  outputBytes: number;
}

/** Adds a tenant's use to its month, and takes back what the replica does not need. */
export async function reportUsage(database: Database, report: UsageReport): Promise<void> {
  const { tenantId, replica, month, tokens, monthly, places, placesUntilMs } = report;
  await guarded(
    database.orm.transaction(async (tx) => {
      if (tokens > 0)
        await tx
          .update(tenantBuckets)
          .set({ tokens: sql`${tenantBuckets.tokens} + ${tokens}` })
          .where(eq(tenantBuckets.tenantId, tenantId));
      const { answered, refused, inputBytes, outputBytes } = report;
      const { leased, answered: a, refused: r, inputBytes: i, outputBytes: o } = tenantMonths;
      await tx
        .insert(tenantMonths)
        .values({
          ...emptyMonth(tenantId, month),
          answered: BigInt(answered),
          refused: BigInt(refused),
          inputBytes: BigInt(inputBytes),
          outputBytes: BigInt(outputBytes),
        })
        .onConflictDoUpdate({
          target: [tenantMonths.tenantId, tenantMonths.month],
          set: {
            leased: sql`greatest(0, ${leased} - ${monthly})`,
            answered: sql`${a} + ${answered}`,
            refused: sql`${r} + ${refused}`,
            inputBytes: sql`${i} + ${inputBytes}`,
            outputBytes: sql`${o} + ${outputBytes}`,
          },
        });
      if (places !== undefined) await holdPlaces(tx, { tenantId, replica, places, untilMs: placesUntilMs });
    }),
  );
}

function emptyMonth(tenantId: string, month: string) {
  return { tenantId, month, leased: 0n, answered: 0n, refused: 0n, inputBytes: 0n, outputBytes: 0n };
}

export type MonthRow = typeof tenantMonths.$inferSelect;

/** The newest first: two years at most. */
export async function listMonths(database: Database, tenantId: string): Promise<MonthRow[]> {
  return await guarded(
    database.orm
      .select()
      .from(tenantMonths)
      .where(eq(tenantMonths.tenantId, tenantId))
      .orderBy(desc(tenantMonths.month))
      .limit(24),
  );
}

/** Erases places that replicas which are gone held. */
export async function removeExpiredPlaces(database: Database, now: Date): Promise<void> {
  await guarded(database.orm.delete(tenantPlaces).where(lte(tenantPlaces.expiresAt, now)));
}
