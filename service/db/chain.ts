/** What the watcher of a coordinator keeps: how far it read, the requests it saw, the transactions it signed. */
import { and, asc, eq, lt, lte, sql } from "drizzle-orm";
import type { Database } from "./connect.ts";
import { guarded, toDatabaseError } from "./error.ts";
import { chainCursors, chainOpenings, chainRequests, chainTransactions } from "./schema.ts";

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
 * Keeps requests, and that the chain was read up to `cursor`, both or neither. One that was seen before is open again: what ended
 * it may be gone with a reorganisation, and where not the next look says so.
 */
export async function keepRead(
  database: Database,
  place: ChainPlace,
  { cursor, seen }: { cursor: ChainCursor; seen: readonly SeenRequest[] },
): Promise<void> {
  const again = { state: "open", nextTryAt: new Date(), attempts: 0, endedAt: null } as const;
  await database.orm
    .transaction(async (transaction) => {
      for (const { requestId, ...request } of seen) {
        await transaction
          .insert(chainRequests)
          .values({ ...place, ...request, requestId, state: "open", nextTryAt: new Date() })
          .onConflictDoUpdate({ target: chainRequests.requestId, set: { ...request, ...again } });
        // Posted before: it is kept as long as the request is open.
        await transaction
          .update(chainOpenings)
          .set({ asked: true, expiresAt: request.deadlineAt })
          .where(eq(chainOpenings.requestId, requestId));
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

/** Open requests whose time for another try has come, the longest due first: none keeps another from its turn. */
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
      .orderBy(asc(chainRequests.nextTryAt))
      .limit(limit),
  );
}

/**
 * @param code what it waits for, or what the last try ended with
 * @param attempts tries that failed one after another
 */
export async function retryRequestLater(
  database: Database,
  requestId: Uint8Array,
  next: { at: Date; code: string; attempts: number },
): Promise<void> {
  const { at: nextTryAt, code, attempts } = next;
  await guarded(
    database.orm
      .update(chainRequests)
      .set({ nextTryAt, code, attempts })
      .where(eq(chainRequests.requestId, requestId)),
  );
}

/** The request as it was seen here. */
export async function findRequest(
  database: Database,
  place: ChainPlace,
  requestId: Uint8Array,
): Promise<ChainRequestRow | undefined> {
  const [row] = await guarded(
    database.orm
      .select()
      .from(chainRequests)
      .where(and(requestsAt(place), eq(chainRequests.requestId, requestId))),
  );
  return row;
}

/** Lets an open request be tried at once. */
export async function hastenRequest(
  database: Database,
  place: ChainPlace,
  requestId: Uint8Array,
): Promise<void> {
  await guarded(
    database.orm
      .update(chainRequests)
      .set({ nextTryAt: new Date() })
      .where(
        and(requestsAt(place), eq(chainRequests.requestId, requestId), sql`${chainRequests.state} = 'open'`),
      ),
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
  await guarded(database.orm.delete(chainOpenings).where(eq(chainOpenings.requestId, requestId)));
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

/** The same call at a higher price. @returns false where `before` was replaced by another replica meanwhile */
export async function replaceTransaction(
  database: Database,
  chainId: bigint,
  before: ChainTransaction,
  { raw, sentAt }: Pick<ChainTransaction, "raw" | "sentAt">,
): Promise<boolean> {
  const rows = await guarded(
    database.orm
      .update(chainTransactions)
      .set({ raw, sentAt })
      .where(thisOne(chainId, before))
      .returning({ nonce: chainTransactions.nonce }),
  );
  return rows.length === 1;
}

export async function forgetTransaction(
  database: Database,
  chainId: bigint,
  transaction: ChainTransaction,
): Promise<void> {
  await guarded(database.orm.delete(chainTransactions).where(thisOne(chainId, transaction)));
}

function thisOne(chainId: bigint, { nonce, raw }: ChainTransaction) {
  const { chainId: chain, nonce: place, raw: bytes } = chainTransactions;
  return and(eq(chain, chainId), eq(place, nonce), eq(bytes, raw));
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
