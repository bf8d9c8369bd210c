/** Stored statements: who may read one, and the links that let others. */
import { and, desc, eq, lt, or, sql } from "drizzle-orm";
import { LEAF_TYPES, type LoggedType } from "../../receipts/index.ts";
import type { Database } from "./connect.ts";
import { guarded } from "./error.ts";
import { linkTokens, statements } from "./schema.ts";

const TYPE_NAMES = new Map<number, string>(
  Object.entries(LEAF_TYPES).map(([name, number]) => [number, name]),
);

export interface StoredStatement {
  leafIndex: bigint;
  type: LoggedType;
  tenantId: string;
  accountId: string | null;
  digest: Uint8Array;
  words: Uint8Array;
  signature: Uint8Array;
  keysetDigest: Uint8Array;
  requestId: Uint8Array | null;
  modelId: Uint8Array | null;
  sealedExtra: Uint8Array | null;
  createdAt: Date;
}

type Row = typeof statements.$inferSelect;

function view(row: Row): StoredStatement {
  const { apiKeyId: _, type, ...rest } = row;
  return { ...rest, type: TYPE_NAMES.get(type) as LoggedType };
}

/** The statement with this digest, whoever it belongs to: decide first who may see it. */
export async function findStatement(
  database: Database,
  digest: Uint8Array,
): Promise<StoredStatement | undefined> {
  const [row] = await guarded(database.orm.select().from(statements).where(eq(statements.digest, digest)));
  return row && view(row);
}

/** The one statement that answers this request; 32 bytes. */
export async function findAnswer(
  database: Database,
  requestId: Uint8Array,
): Promise<StoredStatement | undefined> {
  const [row] = await guarded(
    database.orm
      .select()
      .from(statements)
      .where(and(eq(statements.requestId, requestId), sql`${statements.requestId} IS NOT NULL`)),
  );
  return row && view(row);
}

/** The account's statements, newest first, from below leaf `before`; at most 1000. */
export async function listReceipts(
  database: Database,
  owner: { tenantId: string; accountId: string },
  page: { before?: bigint; limit: number },
): Promise<StoredStatement[]> {
  const below = page.before === undefined ? undefined : lt(statements.leafIndex, page.before);
  const rows = await guarded(
    database.orm
      .select()
      .from(statements)
      .where(and(eq(statements.tenantId, owner.tenantId), eq(statements.accountId, owner.accountId), below))
      .orderBy(desc(statements.leafIndex))
      .limit(Math.min(page.limit, 1000)),
  );
  return rows.map(view);
}

/** The `Keyset` statement that logged a keyset: public, as the keyset is. */
export async function readKeysetStatement(
  database: Database,
  keysetDigest: Uint8Array,
): Promise<StoredStatement | undefined> {
  const rows = await guarded(
    database.orm
      .select()
      .from(statements)
      .where(and(eq(statements.keysetDigest, keysetDigest), eq(statements.type, LEAF_TYPES.Keyset)))
      .orderBy(statements.leafIndex)
      .limit(1),
  );
  return rows[0] && view(rows[0]);
}

/** Revocations, the oldest first: public. */
export async function listRevocations(database: Database, limit: number): Promise<StoredStatement[]> {
  const rows = await guarded(
    database.orm
      .select()
      .from(statements)
      // Spelled out, so that the planner sees the partial index's own condition.
      .where(sql`${statements.type} = 12`)
      .orderBy(statements.leafIndex)
      .limit(limit),
  );
  return rows.map(view);
}

export interface ReceiptLink {
  /** SHA-256 of the link's token, the only form that is stored: 32 bytes. */
  tokenHash: Uint8Array;
  tenantId: string;
  receiptDigest: Uint8Array;
  expiresAt: Date;
}

/** Lets whoever holds the token read the receipt; that the caller owns it is decided before. */
export async function addLink(database: Database, link: ReceiptLink): Promise<void> {
  await guarded(database.orm.insert(linkTokens).values(link));
}

/** The link of a token, expired or not. */
export async function findLink(database: Database, tokenHash: Uint8Array): Promise<ReceiptLink | undefined> {
  const [row] = await guarded(
    database.orm.select().from(linkTokens).where(eq(linkTokens.tokenHash, tokenHash)),
  );
  return row;
}

/** @returns how many links were removed */
export async function removeExpiredLinks(database: Database, now: Date): Promise<number> {
  const rows = await guarded(
    database.orm
      .delete(linkTokens)
      .where(or(lt(linkTokens.expiresAt, now), eq(linkTokens.expiresAt, now)))
      .returning({ at: linkTokens.expiresAt }),
  );
  return rows.length;
}
