/** Openings of inputs that requests of contracts only commit to, sealed. */
import { eq, lt, sql } from "drizzle-orm";
import type { Database } from "./connect.ts";
import { guarded, toDatabaseError } from "./error.ts";
import { chainOpenings } from "./schema.ts";

export type KeptOpening = Pick<
  typeof chainOpenings.$inferSelect,
  "requestId" | "sealed" | "asked" | "expiresAt"
>;

/**
 * Keeps an opening, in the place of an earlier one of the same request.
 * @param limits how many there may be, and how many of requests that nobody has made yet
 * @returns false where there are as many
 */
export async function keepOpening(
  database: Database,
  opening: KeptOpening,
  limits: { all: number; early: number },
): Promise<boolean> {
  const { requestId, sealed, asked, expiresAt } = opening;
  const values = [requestId, sealed, asked, expiresAt, limits.all, limits.early].map((value) =>
    value instanceof Uint8Array ? Buffer.from(value) : value,
  );
  try {
    // Posts at one time may pass a limit by a few: it bounds storage, nothing else.
    const { rowCount } = await database.pool.query({ name: "chain-opening-keep", text: KEEP_SQL, values });
    return rowCount === 1;
  } catch (error) {
    throw toDatabaseError(error);
  }
}

const KEEP_SQL = `
  INSERT INTO chain_openings (request_id, sealed, asked, expires_at)
  SELECT $1, $2, $3, $4 WHERE EXISTS (SELECT FROM chain_openings WHERE request_id = $1)
    OR ((SELECT count(*) FROM chain_openings WHERE expires_at > now()) < $5
      AND ($3 OR (SELECT count(*) FROM chain_openings WHERE expires_at > now() AND NOT asked) < $6))
  ON CONFLICT (request_id) DO UPDATE SET sealed = excluded.sealed, asked = chain_openings.asked OR excluded.asked,
    expires_at = greatest(chain_openings.expires_at, excluded.expires_at)`;

/** The sealed opening. */
export async function findOpening(
  database: Database,
  requestId: Uint8Array,
): Promise<Uint8Array | undefined> {
  const [row] = await guarded(
    database.orm
      .select({ sealed: chainOpenings.sealed })
      .from(chainOpenings)
      .where(sql`${eq(chainOpenings.requestId, requestId)} AND ${chainOpenings.expiresAt} > now()`),
  );
  return row?.sealed;
}

/** @returns how many were erased */
export async function expireOpenings(database: Database): Promise<number> {
  const gone = await guarded(
    database.orm
      .delete(chainOpenings)
      .where(lt(chainOpenings.expiresAt, new Date()))
      .returning({ requestId: chainOpenings.requestId }),
  );
  return gone.length;
}
