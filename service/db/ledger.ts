/** Encrypted balances as stored: heads, entries, ciphertexts, and the entry that is being made. Nothing here is believed. */
import { and, asc, eq, gt, sql } from "drizzle-orm";
import type { PoolClient } from "pg";
import { equal, sha256 } from "../../codec/index.ts";
import type { Database } from "./connect.ts";
import { DatabaseError, guarded } from "./error.ts";
import { ledgerAccounts, ledgerBlobs, ledgerEntries, ledgerOperations } from "./schema.ts";

export type LedgerEntryRow = typeof ledgerEntries.$inferSelect;
export type LedgerOperationRow = typeof ledgerOperations.$inferSelect;

export interface PendingEntry {
  account: Uint8Array;
  tenantId: string;
  /** ABI words of the entry, unsigned. */
  words: Uint8Array;
  operand: string;
  operationId: string | null;
}

export interface LedgerAccountRow {
  tenantId: string;
  head: Uint8Array;
}

export async function findLedgerAccount(
  database: Database,
  account: Uint8Array,
): Promise<LedgerAccountRow | undefined> {
  const [row] = await guarded(
    database.orm.select().from(ledgerAccounts).where(eq(ledgerAccounts.account, account)),
  );
  return row;
}

/** Holds the account until the transaction ends: of several writers, one comes after the other. */
export async function lockLedgerAccount(
  client: PoolClient,
  account: Uint8Array,
): Promise<LedgerAccountRow | undefined> {
  // Also where there is no row to lock yet.
  await guarded(
    client.query("SELECT pg_advisory_xact_lock(hashtextextended(encode($1, 'hex'), 7))", [
      Buffer.from(account),
    ]),
  );
  const { rows } = await guarded(
    client.query<{ tenant_id: string; head: Buffer }>(
      "SELECT tenant_id, head FROM ledger_accounts WHERE account = $1 FOR UPDATE",
      [Buffer.from(account)],
    ),
  );
  const [row] = rows;
  return row && { tenantId: row.tenant_id, head: new Uint8Array(row.head) };
}

/** The bytes, checked against their digest. @throws DatabaseError `log_corrupt` */
export async function readBlob(database: Database, digest: Uint8Array): Promise<Uint8Array | undefined> {
  const [row] = await guarded(
    database.orm.select({ bytes: ledgerBlobs.bytes }).from(ledgerBlobs).where(eq(ledgerBlobs.digest, digest)),
  );
  if (!row) return undefined;
  if (!equal(sha256(row.bytes), digest))
    throw new DatabaseError("log_corrupt", "a stored ciphertext has another digest");
  return row.bytes;
}

/** Stores the entry that comes next with its ciphertexts, committed apart from any lock on the account. */
export async function storePending(
  client: PoolClient,
  pending: PendingEntry,
  blobs: readonly Uint8Array[],
): Promise<void> {
  for (const bytes of blobs)
    await guarded(
      client.query("INSERT INTO ledger_blobs (digest, bytes) VALUES ($1, $2) ON CONFLICT DO NOTHING", [
        Buffer.from(sha256(bytes)),
        Buffer.from(bytes),
      ]),
    );
  await guarded(
    client.query(
      "INSERT INTO ledger_pending (account, tenant_id, words, operand, operation_id) VALUES ($1, $2, $3, $4, $5)",
      [
        Buffer.from(pending.account),
        pending.tenantId,
        Buffer.from(pending.words),
        pending.operand,
        pending.operationId,
      ],
    ),
  );
}

export async function findPending(
  client: PoolClient,
  account: Uint8Array,
): Promise<PendingEntry | undefined> {
  const { rows } = await guarded(
    client.query<{ tenant_id: string; words: Buffer; operand: string; operation_id: string | null }>(
      "SELECT tenant_id, words, operand, operation_id FROM ledger_pending WHERE account = $1",
      [Buffer.from(account)],
    ),
  );
  const [row] = rows;
  return (
    row && {
      account,
      tenantId: row.tenant_id,
      words: new Uint8Array(row.words),
      operand: row.operand,
      operationId: row.operation_id,
    }
  );
}

/** @param database a connection of its own, so that it holds whatever the caller's transaction does */
export async function removePending(
  client: PoolClient | Database["pool"],
  account: Uint8Array,
): Promise<void> {
  await guarded(client.query("DELETE FROM ledger_pending WHERE account = $1", [Buffer.from(account)]));
}

export interface CommittedEntry extends LedgerEntryRow {
  /** The account's next head. */
  head: Uint8Array;
  operationId: string | null;
  sufficient: boolean | null;
  /** What it uses up, and what it adds to all that was issued. */
  usedUp: string | undefined;
  issuedAtomic: bigint;
}

/** Makes an entry the account's last, in the transaction that holds the account. */
export async function commitEntry(client: PoolClient, entry: CommittedEntry): Promise<void> {
  const account = Buffer.from(entry.account);
  const run = (text: string, values: unknown[]) => guarded(client.query(text, values));
  await run(
    `INSERT INTO ledger_accounts (account, tenant_id, head) VALUES ($1, $2, $3)
     ON CONFLICT (account) DO UPDATE SET head = EXCLUDED.head`,
    [account, entry.tenantId, Buffer.from(entry.head)],
  );
  await run(
    `INSERT INTO ledger_entries (account, sequence, tenant_id, digest, opening, operand, mac)
     VALUES ($1, $2, $3, $4, $5, $6, $7)`,
    [
      account,
      entry.sequence.toString(),
      entry.tenantId,
      Buffer.from(entry.digest),
      entry.opening && Buffer.from(entry.opening),
      entry.operand,
      Buffer.from(entry.mac),
    ],
  );
  if (entry.usedUp !== undefined) await run("INSERT INTO ledger_used (name) VALUES ($1)", [entry.usedUp]);
  if (entry.issuedAtomic > 0n)
    await run(
      `INSERT INTO ledger_supply (id, issued) VALUES (1, $1)
       ON CONFLICT (id) DO UPDATE SET issued = ledger_supply.issued + EXCLUDED.issued`,
      [entry.issuedAtomic.toString()],
    );
  if (entry.operationId !== null)
    await run(
      "UPDATE ledger_operations SET state = 'done', sequence = $2, sufficient = $3, ended_at = now() WHERE id = $1",
      [entry.operationId, entry.sequence.toString(), entry.sufficient],
    );
  await removePending(client, entry.account);
}

/** What was ever issued, and whether a name was used up. */
export async function readSupply(
  client: PoolClient,
  name: string | undefined,
): Promise<{ issuedAtomic: bigint; used: boolean }> {
  const { rows } = await guarded(
    client.query<{ issued: string | null; used: boolean }>(
      `SELECT (SELECT issued FROM ledger_supply WHERE id = 1) AS issued,
              EXISTS (SELECT 1 FROM ledger_used WHERE name = $1) AS used`,
      [name ?? null],
    ),
  );
  return { issuedAtomic: BigInt(rows[0]!.issued ?? 0), used: rows[0]!.used };
}

/** Entries of an account after `after`, the oldest first. */
export async function listEntries(
  database: Database,
  account: Uint8Array,
  { after, limit }: { after: bigint; limit: number },
): Promise<LedgerEntryRow[]> {
  return await guarded(
    database.orm
      .select()
      .from(ledgerEntries)
      .where(and(eq(ledgerEntries.account, account), gt(ledgerEntries.sequence, after)))
      .orderBy(asc(ledgerEntries.sequence))
      .limit(limit),
  );
}

export async function addLedgerOperation(
  client: PoolClient,
  row: Pick<LedgerOperationRow, "id" | "tenantId" | "account" | "operation">,
): Promise<void> {
  await guarded(
    client.query(
      "INSERT INTO ledger_operations (id, tenant_id, account, operation, state) VALUES ($1, $2, $3, $4, 'waiting')",
      [row.id, row.tenantId, Buffer.from(row.account), row.operation],
    ),
  );
}

/** @param id a UUID */
export async function findLedgerOperation(
  database: Database,
  id: string,
): Promise<LedgerOperationRow | undefined> {
  const [row] = await guarded(
    database.orm.select().from(ledgerOperations).where(eq(ledgerOperations.id, id)),
  );
  return row;
}

export async function countWaitingOperations(database: Database, tenantId: string): Promise<number> {
  return await guarded(
    database.orm.$count(
      ledgerOperations,
      and(eq(ledgerOperations.tenantId, tenantId), sql`${ledgerOperations.state} = 'waiting'`),
    ),
  );
}

/** Ends one that made no entry; one that has ended stays as it is. */
export async function endLedgerOperation(
  database: Database,
  id: string,
  end: { state: "refused" | "failed"; code: string },
): Promise<void> {
  await guarded(
    database.orm
      .update(ledgerOperations)
      .set({ ...end, endedAt: new Date() })
      .where(and(eq(ledgerOperations.id, id), eq(ledgerOperations.state, "waiting"))),
  );
}
