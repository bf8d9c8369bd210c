/** Stored statements: who may read one, and the links that let others. */
import { randomBytes } from "node:crypto";
import { and, desc, eq, gt, lt, or } from "drizzle-orm";
import { sha256, toBase64Url, utf8 } from "../../codec/index.ts";
import { LEAF_TYPES, type LoggedType } from "../../receipts/index.ts";
import type { Database } from "./connect.ts";
import { guarded } from "./error.ts";
import { linkTokens, statements } from "./schema.ts";

const TYPE_NAMES = new Map<number, string>(
  Object.entries(LEAF_TYPES).map(([name, number]) => [number, name]),
);
const TOKEN_BYTES = 32;

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

/** Whose eyes a receipt is for: an account's own, or whoever was given a link. */
export type Reader = { tenantId: string; accountId: string } | { linkToken: string };

type Row = typeof statements.$inferSelect;

function view(row: Row): StoredStatement {
  const { apiKeyId: _, type, ...rest } = row;
  return { ...rest, type: TYPE_NAMES.get(type) as LoggedType };
}

/** The receipt with this statement digest, where the reader may see it; undefined otherwise, whichever the reason. */
export async function readReceipt(
  database: Database,
  digest: Uint8Array,
  reader: Reader,
): Promise<StoredStatement | undefined> {
  const isIt = eq(statements.digest, digest);
  if ("linkToken" in reader) {
    const token = and(
      eq(linkTokens.receiptDigest, digest),
      eq(linkTokens.tokenHash, sha256(utf8(reader.linkToken))),
      gt(linkTokens.expiresAt, new Date()),
    );
    const [found] = await guarded(
      database.orm.select().from(statements).innerJoin(linkTokens, token).where(isIt),
    );
    return found && view(found.statements);
  }
  const own = and(isIt, eq(statements.tenantId, reader.tenantId), eq(statements.accountId, reader.accountId));
  const [row] = await guarded(database.orm.select().from(statements).where(own));
  return row && view(row);
}

/** The statement with this digest, whoever it belongs to: decide first who may see it. */
export async function findStatement(
  database: Database,
  digest: Uint8Array,
): Promise<StoredStatement | undefined> {
  const [row] = await guarded(database.orm.select().from(statements).where(eq(statements.digest, digest)));
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

/** Makes a link to a receipt of the owner's. @returns the token, kept nowhere; undefined where the owner has no such receipt */
export async function createLinkToken(
  database: Database,
  digest: Uint8Array,
  owner: { tenantId: string; accountId: string },
  expiresAt: Date,
): Promise<string | undefined> {
  if (!(await readReceipt(database, digest, owner))) return undefined;
  const token = toBase64Url(randomBytes(TOKEN_BYTES));
  await guarded(
    database.orm
      .insert(linkTokens)
      .values({ tokenHash: sha256(utf8(token)), tenantId: owner.tenantId, receiptDigest: digest, expiresAt }),
  );
  return token;
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
