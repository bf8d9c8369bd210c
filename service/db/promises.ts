/** Proofs and re-executions that were promised or asked for: where each stands, and how it ended. */
import { and, eq, inArray, notInArray, sql } from "drizzle-orm";
import type { PoolClient } from "pg";
import type { Database } from "./connect.ts";
import { guarded, toDatabaseError } from "./error.ts";
import { promises } from "./schema.ts";

export type PromiseRow = typeof promises.$inferSelect;
export type PromiseState = PromiseRow["state"];
/** What can be said of one that has not ended. */
export const OPEN_STATES: readonly PromiseState[] = ["waiting", "running"];

export type NewPromise = Pick<
  PromiseRow,
  "id" | "tenantId" | "accountId" | "kind" | "subject" | "circuitId" | "commitment" | "deadlineAt"
>;

/** How one ends. */
export interface PromiseEnd {
  state: Exclude<PromiseState, "waiting" | "running">;
  code?: string | undefined;
  /** Digest of the logged statement: 32 bytes. */
  outcome?: Uint8Array | undefined;
  sealedProof?: Uint8Array | undefined;
}

/**
 * Runs `work` in a transaction of its own, which is undone where it throws.
 * @throws DatabaseError; whatever `work` throws
 */
export async function inTransaction<T>(
  database: Database,
  work: (client: PoolClient) => Promise<T>,
): Promise<T> {
  const client = await guarded(database.pool.connect());
  let failed: Error | undefined;
  try {
    await guarded(client.query("BEGIN"));
    const result = await work(client);
    await guarded(client.query("COMMIT"));
    return result;
  } catch (error) {
    failed = error as Error;
    await client.query("ROLLBACK").catch(() => undefined);
    throw error;
  } finally {
    client.release(failed);
  }
}

/** Stores one that waits, in the transaction of `client`. */
export async function addPromise(client: PoolClient, row: NewPromise): Promise<void> {
  await guarded(
    client.query(
      `INSERT INTO promises (id, tenant_id, account_id, kind, subject, circuit_id, commitment, state, deadline_at)
       VALUES ($1, $2, $3, $4, $5, $6, $7, 'waiting', $8)`,
      [
        row.id,
        row.tenantId,
        row.accountId,
        row.kind,
        Buffer.from(row.subject),
        row.circuitId && Buffer.from(row.circuitId),
        row.commitment && Buffer.from(row.commitment),
        row.deadlineAt,
      ],
    ),
  );
}

/** @param id a UUID */
export async function findPromise(database: Database, id: string): Promise<PromiseRow | undefined> {
  const [row] = await guarded(database.orm.select().from(promises).where(eq(promises.id, id)));
  return row;
}

/** The statement's, the oldest first. */
export async function promisesAbout(database: Database, subject: Uint8Array): Promise<PromiseRow[]> {
  return await guarded(
    database.orm
      .select()
      .from(promises)
      .where(eq(promises.subject, subject))
      .orderBy(promises.createdAt)
      .limit(100),
  );
}

export async function countOpenPromises(database: Database, tenantId: string): Promise<number> {
  return await guarded(
    database.orm.$count(
      promises,
      and(eq(promises.tenantId, tenantId), sql`${promises.state} IN ('waiting', 'running')`),
    ),
  );
}

/** Says how far one is. @returns whether it has not ended */
export async function advancePromise(database: Database, id: string, stage: string): Promise<boolean> {
  const rows = await guarded(
    database.orm
      .update(promises)
      .set({ state: "running", stage })
      .where(and(eq(promises.id, id), inArray(promises.state, [...OPEN_STATES])))
      .returning({ id: promises.id }),
  );
  database.changes.tell(id);
  return rows.length > 0;
}

/** Ends one where nothing has to be logged. @returns whether it had not ended before */
export async function endPromise(database: Database, id: string, end: PromiseEnd): Promise<boolean> {
  return await closing(database, id, async () => end);
}

/**
 * Ends one while it is locked: of several that would, one does, and `end` runs for no other. A crash between what `end` logs
 * and the commit leaves it open; the statement is then logged once more, which says nothing new.
 * @returns whether this call ended it
 */
export async function closing(
  database: Database,
  id: string,
  end: (row: PromiseRow) => Promise<PromiseEnd>,
): Promise<boolean> {
  const ended = await database.orm
    .transaction(async (transaction) => {
      const [row] = await transaction
        .select()
        .from(promises)
        .where(and(eq(promises.id, id), inArray(promises.state, [...OPEN_STATES])))
        .for("update");
      if (!row) return false;
      const { state, code, outcome, sealedProof } = await end(row);
      const set = { state, stage: null, code: code ?? null, endedAt: new Date() };
      await transaction
        .update(promises)
        .set({ ...set, ...(outcome && { outcome }), ...(sealedProof && { sealedProof }) })
        .where(eq(promises.id, id));
      return true;
    })
    .catch((error: unknown) => {
      throw toDatabaseError(error);
    });
  database.changes.tell(id);
  return ended;
}

/**
 * Takes one whose deadline has passed and about which nothing was logged, and no other replica has in hand, and keeps what
 * `log` logged about it.
 * @param passedOver ids of those that are left alone
 * @returns whether there was one
 */
export async function expireOne(
  database: Database,
  now: Date,
  passedOver: readonly string[],
  log: (row: PromiseRow) => Promise<Uint8Array | undefined>,
): Promise<boolean> {
  let expired: string | undefined;
  const found = await database.orm
    .transaction(async (transaction) => {
      const [row] = await transaction
        .select()
        .from(promises)
        .where(
          and(
            sql`outcome IS NULL AND ${promises.deadlineAt} <= ${now.toISOString()}::timestamptz`,
            notInArray(promises.id, [...passedOver]),
          ),
        )
        .orderBy(promises.deadlineAt)
        .limit(1)
        .for("update", { skipLocked: true });
      if (!row) return false;
      expired = row.id;
      const outcome = await log(row);
      if (!outcome) {
        // No statement was ever stored that it could be about: its request failed after it was asked for.
        await transaction.delete(promises).where(eq(promises.id, row.id));
        return true;
      }
      const open = OPEN_STATES.includes(row.state);
      await transaction
        .update(promises)
        .set({ outcome, ...(open && { state: "expired", stage: null, endedAt: new Date() }) })
        .where(eq(promises.id, row.id));
      return true;
    })
    .catch((error: unknown) => {
      throw toDatabaseError(error);
    });
  if (expired !== undefined) database.changes.tell(expired);
  return found;
}
