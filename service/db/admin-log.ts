/** The administrators' log, and the nonces of signed requests. */
import { desc, lt, lte } from "drizzle-orm";
import type { Database } from "./connect.ts";
import type { Transaction } from "./directory.ts";
import { guarded } from "./error.ts";
import { adminLog, adminNonces } from "./schema.ts";

export type AdminLogRow = typeof adminLog.$inferSelect;

/** @returns whether it is the first request with this nonce */
export async function useAdminNonce(
  database: Database,
  nonce: Uint8Array,
  expiresAt: Date,
): Promise<boolean> {
  const rows = await guarded(
    database.orm.insert(adminNonces).values({ nonce, expiresAt }).onConflictDoNothing().returning(),
  );
  return rows.length > 0;
}

/** Nonces of requests that nobody would take any more. */
export async function removeExpiredNonces(database: Database, now: Date): Promise<void> {
  await guarded(database.orm.delete(adminNonces).where(lte(adminNonces.expiresAt, now)));
}

/** In the transaction of what was done: neither is there without the other. */
export async function appendAdminLog(
  tx: Transaction,
  row: Omit<AdminLogRow, "index" | "tenantId">,
): Promise<void> {
  await tx.insert(adminLog).values(row);
}

/** The newest first, from below `before`. */
export async function listAdminLog(
  database: Database,
  { before, limit }: { before: bigint | undefined; limit: number },
): Promise<AdminLogRow[]> {
  const where = before === undefined ? undefined : lt(adminLog.index, before);
  return await guarded(
    database.orm.select().from(adminLog).where(where).orderBy(desc(adminLog.index)).limit(limit),
  );
}
