/** Models that tenants uploaded, and uploads under way: their ciphertext lies here too, so that every replica has it. */
import { and, asc, count, eq, lte, sql } from "drizzle-orm";
import type { Database } from "./connect.ts";
import { changeDirectory, type Transaction } from "./directory.ts";
import { DatabaseError, guarded } from "./error.ts";
import { documentOf } from "./documents.ts";
import { documents, modelAccess, modelParts, modelUploads, uploadedModels } from "./schema.ts";

export type UploadRow = typeof modelUploads.$inferSelect;

export interface UploadQuota {
  bytes: bigint;
  uploads: number;
}

/** PostgreSQL's lock_not_available. */
const LOCKED = "55P03";

/** One at a time for a tenant: what each alone may do, two may not do together. */
async function tenantsTurn(tx: Transaction, tenantId: string): Promise<void> {
  await tx.execute(sql`SELECT pg_advisory_xact_lock(hashtextextended(${`uploads ${tenantId}`}, 0))`);
}

/**
 * Begins an upload, or finds the one that the tenant began of the same file.
 * @returns undefined where it does not fit into what the tenant may store
 */
export async function beginUpload(
  database: Database,
  row: UploadRow,
  quota: UploadQuota,
): Promise<UploadRow | undefined> {
  return await guarded(
    database.orm.transaction(async (tx) => {
      await tenantsTurn(tx, row.tenantId);
      const mine = eq(modelUploads.tenantId, row.tenantId);
      const same = and(mine, eq(modelUploads.modelId, row.modelId), eq(modelUploads.sha256, row.sha256));
      const [known] = await tx.select().from(modelUploads).where(same);
      if (known) return known;
      const open = await tx.select({ bytes: modelUploads.bytes }).from(modelUploads).where(mine);
      const kept = await tx
        .select({ bytes: uploadedModels.bytes })
        .from(uploadedModels)
        .where(eq(uploadedModels.tenantId, row.tenantId));
      const held = [...open, ...kept].reduce((sum, { bytes }) => sum + bytes, 0n);
      if (open.length >= quota.uploads || held + row.bytes > quota.bytes) return undefined;
      const [added] = await tx.insert(modelUploads).values(row).returning();
      return added;
    }),
  );
}

export async function findUpload(
  database: Database,
  id: string,
  tenantId: string,
): Promise<UploadRow | undefined> {
  const where = and(eq(modelUploads.id, id), eq(modelUploads.tenantId, tenantId));
  const [row] = await guarded(database.orm.select().from(modelUploads).where(where));
  return row;
}

/** Somebody else holds the upload, on whichever replica. */
export class UploadHeld extends Error {
  override readonly name = "UploadHeld";
}

/**
 * Does something with an upload that nobody else touches meanwhile.
 * @throws UploadHeld
 */
export async function withUpload<T>(
  database: Database,
  upload: UploadRow,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  return await orHeld(
    guarded(
      database.orm.transaction(async (tx) => {
        await holdUpload(tx, upload);
        return await work(tx);
      }),
    ),
  );
}

async function holdUpload(tx: Transaction, { id }: UploadRow): Promise<void> {
  const held = await tx
    .select()
    .from(modelUploads)
    .where(eq(modelUploads.id, id))
    .for("update", { noWait: true });
  // Ended meanwhile.
  if (held.length === 0) throw new UploadHeld();
}

async function orHeld<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof DatabaseError && error.sqlState === LOCKED ? new UploadHeld() : error;
  }
}

export interface Received {
  bytes: bigint;
  parts: number;
}

/** What came of an upload so far. */
export async function receivedOf(tx: Pick<Transaction, "select">, uploadId: string): Promise<Received> {
  const [row] = await tx
    .select({ bytes: sql<string>`coalesce(sum(octet_length(${modelParts.bytes})), 0)`, parts: count() })
    .from(modelParts)
    .where(eq(modelParts.uploadId, uploadId));
  return { bytes: BigInt(row!.bytes), parts: row!.parts };
}

export async function addPart(
  tx: Transaction,
  { id, tenantId }: UploadRow,
  { start, bytes, expiresAt }: { start: bigint; bytes: Uint8Array; expiresAt: Date },
): Promise<void> {
  await tx.insert(modelParts).values({ uploadId: id, start, tenantId, bytes });
  await tx.update(modelUploads).set({ expiresAt }).where(eq(modelUploads.id, id));
}

export async function removeParts(tx: Transaction, uploadId: string): Promise<void> {
  await tx.delete(modelParts).where(eq(modelParts.uploadId, uploadId));
}

export async function removeUpload(tx: Transaction, id: string): Promise<void> {
  await removeParts(tx, id);
  await tx.delete(modelUploads).where(eq(modelUploads.id, id));
}

/** @returns how many ended by the clock */
export async function removeExpiredUploads(database: Database, now: Date): Promise<number> {
  return await guarded(
    database.orm.transaction(async (tx) => {
      const ended = await tx.delete(modelUploads).where(lte(modelUploads.expiresAt, now)).returning();
      for (const { id } of ended) await removeParts(tx, id);
      return ended.length;
    }),
  );
}

/**
 * Makes a model of a held upload: the model is there, its manifest is a document, and the upload is over, or nothing of it.
 * @param check throws where the model cannot be added; what was committed before is seen by then
 * @returns false where the model was there before
 * @throws UploadHeld
 */
export async function finishUpload(
  database: Database,
  upload: UploadRow,
  check: (tx: Transaction) => Promise<void>,
): Promise<boolean> {
  const { id, modelId, tenantId, bytes, manifest, broker, signature } = upload;
  return await orHeld(
    changeDirectory(database, async (tx) => {
      await holdUpload(tx, upload);
      await tenantsTurn(tx, tenantId);
      await check(tx);
      const added = await tx
        .insert(uploadedModels)
        .values({ modelId, tenantId, uploadId: id, broker, bytes, signature })
        .onConflictDoNothing()
        .returning();
      if (added.length === 0) return false;
      await tx
        .insert(documents)
        .values(documentOf("manifest", Buffer.from(manifest)))
        .onConflictDoNothing();
      await tx.delete(modelUploads).where(eq(modelUploads.id, id));
      return true;
    }),
  );
}

export async function removeUploadedModel(database: Database, modelId: Uint8Array): Promise<void> {
  await changeDirectory(database, async (tx) => {
    await tx.delete(modelAccess).where(eq(modelAccess.modelId, modelId));
    const removed = await tx.delete(uploadedModels).where(eq(uploadedModels.modelId, modelId)).returning();
    for (const { uploadId } of removed) await removeParts(tx, uploadId);
  });
}

export interface PartPlace {
  start: number;
  length: number;
}

/** Where the parts of a sealed file are, in their order. */
export async function listParts(tx: Pick<Transaction, "select">, uploadId: string): Promise<PartPlace[]> {
  const rows = await tx
    .select({ start: modelParts.start, length: sql<number>`octet_length(${modelParts.bytes})` })
    .from(modelParts)
    .where(eq(modelParts.uploadId, uploadId))
    .orderBy(asc(modelParts.start));
  return rows.map(({ start, length }) => ({ start: Number(start), length }));
}

/** A part's bytes; undefined where it is gone. */
export async function readPart(
  tx: Pick<Transaction, "select">,
  uploadId: string,
  start: number,
): Promise<Uint8Array | undefined> {
  const where = and(eq(modelParts.uploadId, uploadId), eq(modelParts.start, BigInt(start)));
  const [row] = await tx.select({ bytes: modelParts.bytes }).from(modelParts).where(where);
  return row?.bytes;
}
