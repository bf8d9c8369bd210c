/** What the watcher of a coordinator keeps: how far it read, the requests it saw, the transactions it signed. */
import { and, asc, eq, lt, lte, max, sql } from "drizzle-orm";
import type { Database } from "./connect.ts";
import { guarded, toDatabaseError } from "./error.ts";
import { chainCursors, chainRequests, chainTransactions } from "./schema.ts";

/** A coordinator on its chain. */
export interface ChainPlace {
  chainId: bigint;
  /** 20 bytes. */
  coordinator: Uint8Array;
}

export type ChainCursor = Pick<typeof chainCursors.$inferSelect, "block" | "blockHash">;
export type ChainRequestRow = typeof chainRequests.$inferSelect;
export type SeenRequest = Pick<ChainRequestRow, "requestId" | "block" | "event" | "deadlineAt">;
export type ChainTransaction = Omit<typeof chainTransactions.$inferSelect, "tenantId" | "chainId">;

function cursorAt({ chainId, coordinator }: ChainPlace) {
  return and(eq(chainCursors.chainId, chainId), eq(chainCursors.coordinator, coordinator));
}

function requestsAt({ chainId, coordinator }: ChainPlace) {
  return and(eq(chainRequests.chainId, chainId), eq(chainRequests.coordinator, coordinator));
}

export async function readCursor(database: Database, place: ChainPlace): Promise<ChainCursor | undefined> {
  const [row] = await guarded(database.orm.select().from(chainCursors).where(cursorAt(place)));
  return row;
}

/**
 * Keeps requests, and that the chain was read up to `cursor`, both or neither. A request that was seen before keeps its state; its
 * terms may differ after a reorganisation, since its id does not cover them all.
 */
export async function keepRead(
  database: Database,
  place: ChainPlace,
  { cursor, seen }: { cursor: ChainCursor; seen: readonly SeenRequest[] },
): Promise<void> {
  await database.orm
    .transaction(async (transaction) => {
      for (const { requestId, ...request } of seen) {
        await transaction
          .insert(chainRequests)
          .values({ ...place, ...request, requestId, state: "open", nextTryAt: new Date() })
          .onConflictDoUpdate({ target: chainRequests.requestId, set: request });
      }
      await transaction
        .insert(chainCursors)
        .values({ ...place, ...cursor })
        .onConflictDoUpdate({ target: [chainCursors.chainId, chainCursors.coordinator], set: cursor });
    })
    .catch((error: unknown) => {
      throw toDatabaseError(error);
    });
}

/** Open requests whose time for another try has come, the most urgent first. */
export async function dueRequests(
  database: Database,
  place: ChainPlace,
  { now, limit }: { now: Date; limit: number },
): Promise<ChainRequestRow[]> {
  return await guarded(
    database.orm
      .select()
      .from(chainRequests)
      .where(and(requestsAt(place), sql`${chainRequests.state} = 'open'`, lte(chainRequests.nextTryAt, now)))
      .orderBy(asc(chainRequests.deadlineAt))
      .limit(limit),
  );
}

/** @param code what the last try ended with */
export async function retryRequestLater(
  database: Database,
  requestId: Uint8Array,
  { at, code }: { at: Date; code: string },
): Promise<void> {
  await guarded(
    database.orm
      .update(chainRequests)
      .set({ nextTryAt: at, code, attempts: sql`${chainRequests.attempts} + 1` })
      .where(eq(chainRequests.requestId, requestId)),
  );
}

export async function endRequest(
  database: Database,
  requestId: Uint8Array,
  { state, code }: { state: Exclude<ChainRequestRow["state"], "open">; code: string | null },
): Promise<void> {
  await guarded(
    database.orm
      .update(chainRequests)
      .set({ state, code, endedAt: new Date() })
      .where(and(eq(chainRequests.requestId, requestId), sql`${chainRequests.state} = 'open'`)),
  );
}

/** In the order of their nonces. */
export async function listTransactions(database: Database, chainId: bigint): Promise<ChainTransaction[]> {
  return await guarded(
    database.orm
      .select()
      .from(chainTransactions)
      .where(eq(chainTransactions.chainId, chainId))
      .orderBy(asc(chainTransactions.nonce)),
  );
}

/** The highest nonce that a kept transaction has; undefined for none. */
export async function highestNonce(database: Database, chainId: bigint): Promise<bigint | undefined> {
  const [row] = await guarded(
    database.orm
      .select({ nonce: max(chainTransactions.nonce) })
      .from(chainTransactions)
      .where(eq(chainTransactions.chainId, chainId)),
  );
  return row?.nonce ?? undefined;
}

/** @returns whether the nonce was free */
export async function addTransaction(
  database: Database,
  chainId: bigint,
  transaction: ChainTransaction,
): Promise<boolean> {
  const rows = await guarded(
    database.orm
      .insert(chainTransactions)
      .values({ ...transaction, chainId })
      .onConflictDoNothing()
      .returning({ nonce: chainTransactions.nonce }),
  );
  return rows.length === 1;
}

/** The same call at a higher price. */
export async function replaceTransaction(
  database: Database,
  chainId: bigint,
  { nonce, ...transaction }: ChainTransaction,
): Promise<void> {
  await guarded(
    database.orm
      .update(chainTransactions)
      .set(transaction)
      .where(and(eq(chainTransactions.chainId, chainId), eq(chainTransactions.nonce, nonce))),
  );
}

/** Forgets those below a nonce that the chain has used for good. */
export async function forgetTransactions(
  database: Database,
  chainId: bigint,
  belowNonce: bigint,
): Promise<void> {
  await guarded(
    database.orm
      .delete(chainTransactions)
      .where(and(eq(chainTransactions.chainId, chainId), lt(chainTransactions.nonce, belowNonce))),
  );
}
