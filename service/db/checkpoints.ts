/** Signed checkpoints, one a tree size. */
import { desc, eq, gte, lte } from "drizzle-orm";
import { toHex } from "../../codec/index.ts";
import { parseNote, type NoteSignature } from "../../receipts/index.ts";
import type { Database } from "./connect.ts";
import { guarded } from "./error.ts";
import { checkpoints } from "./schema.ts";

export interface CheckpointRow {
  size: bigint;
  root: Uint8Array;
  /** The signed note's text. */
  note: string;
  /** JSON text: fields and signature of the form for contracts. */
  eip712: string;
  createdAt: Date;
}

/** The first checkpoint of a size stays: another note for it would be a second opinion of one log. @returns whether it was new */
export async function putCheckpoint(
  database: Database,
  row: Omit<CheckpointRow, "createdAt">,
): Promise<boolean> {
  const rows = await guarded(
    database.orm.insert(checkpoints).values(row).onConflictDoNothing().returning({ size: checkpoints.size }),
  );
  return rows.length === 1;
}

function signerOf({ keyName, keyId }: NoteSignature): string {
  return `${keyName} ${toHex(keyId)}`;
}

/**
 * Adds signature lines to the note of a size, one a signer.
 * @param text the note's text, which must be that of the stored one
 * @param lines signature lines with their newlines
 */
export async function addCosignatures(
  database: Database,
  size: bigint,
  text: string,
  lines: readonly string[],
): Promise<void> {
  await guarded(
    database.orm.transaction(async (transaction) => {
      const [row] = await transaction
        .select({ note: checkpoints.note })
        .from(checkpoints)
        .where(eq(checkpoints.size, size))
        .for("update");
      if (!row?.note.startsWith(`${text}\n`)) return;
      const signers = new Set(parseNote(row.note).signatures.map(signerOf));
      const fresh = lines.filter((line) => {
        const signer = signerOf(parseNote(`${text}\n${line}`).signatures[0]!);
        return !signers.has(signer) && signers.add(signer);
      });
      if (fresh.length === 0) return;
      const note = row.note + fresh.join("");
      await transaction.update(checkpoints).set({ note }).where(eq(checkpoints.size, size));
    }),
  );
}

const VIEW = {
  size: checkpoints.size,
  root: checkpoints.root,
  note: checkpoints.note,
  eip712: checkpoints.eip712,
  createdAt: checkpoints.createdAt,
};

export async function latestCheckpoint(database: Database): Promise<CheckpointRow | undefined> {
  const [row] = await guarded(
    database.orm.select(VIEW).from(checkpoints).orderBy(desc(checkpoints.size)).limit(1),
  );
  return row;
}

export async function readCheckpoint(database: Database, size: bigint): Promise<CheckpointRow | undefined> {
  const [row] = await guarded(database.orm.select(VIEW).from(checkpoints).where(eq(checkpoints.size, size)));
  return row;
}

/** The smallest checkpoint that covers a tree of at least `size` leaves. */
export async function checkpointCovering(
  database: Database,
  size: bigint,
): Promise<CheckpointRow | undefined> {
  const [row] = await guarded(
    database.orm
      .select(VIEW)
      .from(checkpoints)
      .where(gte(checkpoints.size, size))
      .orderBy(checkpoints.size)
      .limit(1),
  );
  return row;
}

/** The smallest checkpoints of at least `size` leaves, the smallest first. */
export async function checkpointsFrom(
  database: Database,
  size: bigint,
  limit: number,
): Promise<CheckpointRow[]> {
  return await guarded(
    database.orm
      .select(VIEW)
      .from(checkpoints)
      .where(gte(checkpoints.size, size))
      .orderBy(checkpoints.size)
      .limit(limit),
  );
}

/** The newest checkpoints of at most `size` leaves, the largest first. */
export async function checkpointsUpTo(
  database: Database,
  size: bigint,
  limit: number,
): Promise<CheckpointRow[]> {
  return await guarded(
    database.orm
      .select(VIEW)
      .from(checkpoints)
      .where(lte(checkpoints.size, size))
      .orderBy(desc(checkpoints.size))
      .limit(limit),
  );
}
