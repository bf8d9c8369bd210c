/** Documents by the SHA-256 of their bytes: manifests, policies, executions, keysets, evidence, endorsements. Kept for ever. */
import { eq, inArray } from "drizzle-orm";
import { equal, sha256, toHex } from "../../codec/index.ts";
import type { DocumentKind, DocumentRow } from "./append-statement.ts";
import type { Database } from "./connect.ts";
import { DatabaseError, guarded } from "./error.ts";
import { documents } from "./schema.ts";

export function documentOf(kind: DocumentKind, bytes: Uint8Array): DocumentRow {
  return { kind, digest: sha256(bytes), bytes };
}

/** Stores what is not stored yet. */
export async function putDocuments(database: Database, rows: readonly DocumentRow[]): Promise<void> {
  if (rows.length === 0) return;
  await guarded(
    database.orm
      .insert(documents)
      .values([...rows])
      .onConflictDoNothing(),
  );
}

/**
 * The document's bytes, checked against the digest; undefined where it is not stored.
 * @throws DatabaseError `log_corrupt` where the stored bytes have another digest
 */
export async function readDocument(database: Database, digest: Uint8Array): Promise<Uint8Array | undefined> {
  const [row] = await guarded(
    database.orm.select({ bytes: documents.bytes }).from(documents).where(eq(documents.digest, digest)),
  );
  if (!row) return undefined;
  if (!equal(sha256(row.bytes), digest))
    throw new DatabaseError("log_corrupt", "a stored document has another digest");
  return row.bytes;
}

/** At most 64 documents at once, by the lower-case hex of their digests. @throws DatabaseError `log_corrupt` */
export async function readDocuments(
  database: Database,
  digests: readonly Uint8Array[],
): Promise<Map<string, Uint8Array>> {
  const wanted = digests.slice(0, 64);
  if (wanted.length === 0) return new Map();
  const rows = await guarded(
    database.orm
      .select({ digest: documents.digest, bytes: documents.bytes })
      .from(documents)
      .where(inArray(documents.digest, wanted)),
  );
  for (const { digest, bytes } of rows) {
    if (!equal(sha256(bytes), digest))
      throw new DatabaseError("log_corrupt", "a stored document has another digest");
  }
  return new Map(rows.map(({ digest, bytes }) => [toHex(digest), bytes]));
}
