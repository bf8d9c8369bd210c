/** Allowances as stored. What one holds, vaults alone can read; that it is open is what every spending transaction checks. */
import { and, asc, desc, eq, gte, lt } from "drizzle-orm";
import type { Pool, PoolClient } from "pg";
import type { Database } from "./connect.ts";
import { guarded } from "./error.ts";
import { ledgerAllowances, logEntries, statements } from "./schema.ts";

export type AllowanceRow = typeof ledgerAllowances.$inferSelect;
export type NewAllowance = Pick<
  AllowanceRow,
  "id" | "tenantId" | "accountId" | "account" | "vault" | "priceList" | "expiresAt" | "operationId" | "sealed"
>;

/** An open allowance is its vault's service's for so long after that last said so. */
const LEASE_SECONDS = 20;
/** By the clock: a transaction's `now()` is its beginning, and an entry's begins before what it computes. */
const LEASE = `clock_timestamp() + interval '${LEASE_SECONDS} seconds'`;
/** A refund that is not made by then is tried again. */
const RETRY_MINUTES = 15;
const LIST_LIMIT = 100;

/** @returns whether there was none with this id */
export async function addAllowance(client: PoolClient, row: NewAllowance): Promise<boolean> {
  const { rowCount } = await guarded(
    client.query(
      `INSERT INTO ledger_allowances (id, tenant_id, account_id, account, vault, price_list, expires_at, operation_id, state, sealed)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 'waiting', $9) ON CONFLICT DO NOTHING`,
      [
        Buffer.from(row.id),
        row.tenantId,
        row.accountId,
        Buffer.from(row.account),
        Buffer.from(row.vault),
        Buffer.from(row.priceList),
        row.expiresAt,
        row.operationId,
        Buffer.from(row.sealed),
      ],
    ),
  );
  return rowCount === 1;
}

export async function findAllowance(database: Database, id: Uint8Array): Promise<AllowanceRow | undefined> {
  const [row] = await guarded(
    database.orm.select().from(ledgerAllowances).where(eq(ledgerAllowances.id, id)),
  );
  return row;
}

export async function findAllowanceOfEntry(
  database: Database,
  account: Uint8Array,
  sequence: bigint,
): Promise<AllowanceRow | undefined> {
  const [row] = await guarded(
    database.orm
      .select()
      .from(ledgerAllowances)
      .where(and(eq(ledgerAllowances.account, account), eq(ledgerAllowances.sequence, sequence))),
  );
  return row;
}

/** The newest first, at most 100. */
export async function listAllowances(database: Database, account: Uint8Array): Promise<AllowanceRow[]> {
  return await guarded(
    database.orm
      .select()
      .from(ledgerAllowances)
      .where(eq(ledgerAllowances.account, account))
      .orderBy(desc(ledgerAllowances.createdAt))
      .limit(LIST_LIMIT),
  );
}

/** What becomes of it once its entry is made, in the entry's transaction. @param sealed null where the balance did not cover it */
export async function settleAllowance(
  client: PoolClient,
  id: Uint8Array,
  { sequence, sealed }: { sequence: bigint; sealed: Uint8Array | null },
): Promise<void> {
  const text = sealed
    ? `UPDATE ledger_allowances SET state = 'open', sequence = $2, sealed = $3, lease_until = ${LEASE} WHERE id = $1`
    : "UPDATE ledger_allowances SET state = 'refused', sequence = $2, code = 'insufficient', ended_at = now() WHERE id = $1";
  const values = [Buffer.from(id), sequence.toString(), ...(sealed ? [Buffer.from(sealed)] : [])];
  await guarded(client.query(text, values));
}

/** Its rest is back, in the transaction of the refund's entry. */
export async function endAllowance(client: PoolClient, account: Uint8Array, sequence: bigint): Promise<void> {
  await guarded(
    client.query(
      "UPDATE ledger_allowances SET state = 'refunded', code = NULL, ended_at = now() WHERE account = $1 AND sequence = $2",
      [Buffer.from(account), sequence.toString()],
    ),
  );
}

/** The debit made no entry. */
export async function refuseAllowance(database: Database, operationId: string, code: string): Promise<void> {
  await guarded(
    database.orm
      .update(ledgerAllowances)
      .set({ state: "refused", code, endedAt: new Date() })
      .where(and(eq(ledgerAllowances.operationId, operationId), eq(ledgerAllowances.state, "waiting"))),
  );
}

export async function askToClose(database: Database, id: Uint8Array): Promise<void> {
  await guarded(
    database.orm.update(ledgerAllowances).set({ closeAsked: true }).where(eq(ledgerAllowances.id, id)),
  );
}

const RETRY = `now() + interval '${RETRY_MINUTES} minutes'`;

/**
 * From open to ended or closing, once: whatever spends it after this is not stored.
 * @param sealed what is left; null where the log is to say
 * @param only `lapsed`: unless its vault's service said meanwhile that it lives
 * @returns whether it was open
 */
export async function takeFromOpen(
  client: PoolClient,
  id: Uint8Array,
  { sealed, only }: { sealed: Uint8Array | null; only?: "lapsed" | undefined },
): Promise<boolean> {
  const { rowCount } = await guarded(
    client.query(
      `UPDATE ledger_allowances SET state = $2, sealed = coalesce($3, sealed), retry_at = ${RETRY}
       WHERE id = $1 AND state = 'open' ${only ? "AND lease_until < now()" : ""}`,
      [Buffer.from(id), sealed ? "closing" : "ended", sealed && Buffer.from(sealed)],
    ),
  );
  return rowCount === 1;
}

/** Those of a vault that wait for the log, or for what is missing in it. */
export async function listEnded(
  database: Database,
  vault: Uint8Array,
  limit: number,
): Promise<{ id: Uint8Array; sealed: Uint8Array }[]> {
  const { rows } = await guarded(
    database.pool.query<{ id: Buffer; sealed: Buffer }>(
      `SELECT id, sealed FROM ledger_allowances WHERE vault = $1 AND state IN ('ended', 'frozen')
       ORDER BY created_at LIMIT $2`,
      [Buffer.from(vault), limit],
    ),
  );
  return rows;
}

/** What the log said is left. */
export async function storeRest(database: Database, id: Uint8Array, sealed: Uint8Array): Promise<void> {
  await guarded(
    database.pool.query(
      "UPDATE ledger_allowances SET state = 'closing', sealed = $2, code = NULL WHERE id = $1 AND state IN ('ended', 'frozen')",
      [Buffer.from(id), Buffer.from(sealed)],
    ),
  );
}

export async function freezeAllowances(
  database: Database,
  ids: readonly Uint8Array[],
  code: string,
): Promise<void> {
  await guarded(
    database.pool.query(
      "UPDATE ledger_allowances SET state = 'frozen', code = $2 WHERE id = ANY($1) AND state = 'ended'",
      [ids.map((id) => Buffer.from(id)), code],
    ),
  );
}

/**
 * Says that the vault's service lives.
 * @returns its open allowances that are over: their time is up, or their owner asked
 */
export async function renewLeases(pool: Pool, vault: Uint8Array): Promise<Uint8Array[]> {
  const { rows } = await guarded(
    pool.query<{ id: Buffer; due: boolean }>(
      `UPDATE ledger_allowances SET lease_until = ${LEASE}
       WHERE vault = $1 AND state = 'open' RETURNING id, close_asked OR expires_at <= now() AS due`,
      [Buffer.from(vault)],
    ),
  );
  return rows.filter(({ due }) => due).map(({ id }) => id);
}

/** Those of a vault that are open, the oldest first. */
export async function listOpen({ pool }: Database, vault: Uint8Array): Promise<Uint8Array[]> {
  const { rows } = await guarded(
    pool.query<{ id: Buffer }>(
      "SELECT id FROM ledger_allowances WHERE vault = $1 AND state = 'open' ORDER BY created_at",
      [Buffer.from(vault)],
    ),
  );
  return rows.map(({ id }) => id);
}

/** Open ones whose vault's service has fallen silent. */
export async function listLapsed(pool: Pool): Promise<Uint8Array[]> {
  const { rows } = await guarded(
    pool.query<{ id: Buffer }>(
      `SELECT id FROM ledger_allowances WHERE state = 'open' AND lease_until < now() LIMIT ${LIST_LIMIT}`,
    ),
  );
  return rows.map(({ id }) => id);
}

/** Takes one whose refund is due again, so that one process asks for it. */
export async function claimDueRefund(client: PoolClient): Promise<AllowanceToRefund | undefined> {
  const { rows } = await guarded(
    client.query<{ id: Buffer; account: Buffer; tenant_id: string }>(
      `UPDATE ledger_allowances SET retry_at = ${RETRY} WHERE id = (
         SELECT id FROM ledger_allowances WHERE state IN ('ended', 'frozen', 'closing') AND retry_at <= now()
         LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id, account, tenant_id`,
    ),
  );
  const [row] = rows;
  return row && { id: row.id, account: row.account, tenantId: row.tenant_id };
}

export type AllowanceToRefund = Pick<AllowanceRow, "id" | "account" | "tenantId">;

/** Leaf data with what is stored beside the statement, from a leaf on. */
export async function readWalkedLeaves(
  database: Database,
  { from, below, limit }: { from: bigint; below: bigint; limit: number },
): Promise<{ leaf: Uint8Array; record: Uint8Array | null }[]> {
  return await guarded(
    database.orm
      .select({ leaf: logEntries.leafData, record: statements.spent })
      .from(logEntries)
      .leftJoin(statements, eq(statements.leafIndex, logEntries.leafIndex))
      .where(and(gte(logEntries.leafIndex, from), lt(logEntries.leafIndex, below)))
      .orderBy(asc(logEntries.leafIndex))
      .limit(limit),
  );
}

/** The price list that the log says last was put in force: its SHA-256. */
export async function lastPriceList(database: Database): Promise<Uint8Array | undefined> {
  const { rows } = await guarded(
    database.pool.query<{ digest: Buffer }>(
      `SELECT d.digest FROM statements AS s JOIN documents AS d ON d.digest = substring(s.words FOR 32)
       WHERE s.type = 5 AND d.kind = 'price-list' ORDER BY s.leaf_index DESC LIMIT 1`,
    ),
  );
  return rows[0]?.digest;
}
