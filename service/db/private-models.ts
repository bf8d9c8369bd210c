/** Models that tenants uploaded, uploads under way, and whom a tenant lets in. The ciphertext itself lies in the data directory. */
import { and, eq, lte, sql } from "drizzle-orm";
import type { Database } from "./connect.ts";
import { guarded } from "./error.ts";
import { documentOf } from "./documents.ts";
import { documents, modelAccess, modelUploads, uploadedModels } from "./schema.ts";

export type UploadRow = typeof modelUploads.$inferSelect;
export type UploadedModelRow = typeof uploadedModels.$inferSelect;

export interface UploadQuota {
  bytes: bigint;
  uploads: number;
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
      // One at a time for a tenant: two that each fit alone may not fit together.
      await tx.execute(sql`SELECT pg_advisory_xact_lock(hashtextextended(${`uploads ${row.tenantId}`}, 0))`);
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

export async function extendUpload(database: Database, id: string, expiresAt: Date): Promise<void> {
  await guarded(database.orm.update(modelUploads).set({ expiresAt }).where(eq(modelUploads.id, id)));
}

export async function removeUpload(database: Database, id: string): Promise<void> {
  await guarded(database.orm.delete(modelUploads).where(eq(modelUploads.id, id)));
}

/** @returns the ids of those that ended by the clock */
export async function removeExpiredUploads(database: Database, now: Date): Promise<string[]> {
  const rows = await guarded(
    database.orm
      .delete(modelUploads)
      .where(lte(modelUploads.expiresAt, now))
      .returning({ id: modelUploads.id }),
  );
  return rows.map(({ id }) => id);
}

/** The model is there, its manifest is a document, and the upload is over: all or nothing. @returns false where it was there before */
export async function finishUpload(database: Database, upload: UploadRow): Promise<boolean> {
  const { modelId, tenantId, bytes, manifest } = upload;
  return await guarded(
    database.orm.transaction(async (tx) => {
      const added = await tx
        .insert(uploadedModels)
        .values({ modelId, tenantId, bytes })
        .onConflictDoNothing()
        .returning();
      if (added.length === 0) return false;
      await tx
        .insert(documents)
        .values(documentOf("manifest", Buffer.from(manifest)))
        .onConflictDoNothing();
      await tx.delete(modelUploads).where(eq(modelUploads.id, upload.id));
      return true;
    }),
  );
}

export async function listUploadedModels(
  database: Database,
): Promise<(UploadedModelRow & { guests: string[] })[]> {
  const rows = await guarded(database.orm.select().from(uploadedModels));
  const access = await guarded(database.orm.select().from(modelAccess));
  return rows.map((row) => ({
    ...row,
    guests: access
      .filter(({ modelId }) => Buffer.from(modelId).equals(Buffer.from(row.modelId)))
      .map(({ tenantId }) => tenantId),
  }));
}

export async function hasUploadedModel(database: Database, modelId: Uint8Array): Promise<boolean> {
  const rows = await guarded(
    database.orm.select().from(uploadedModels).where(eq(uploadedModels.modelId, modelId)),
  );
  return rows.length > 0;
}

export async function removeUploadedModel(database: Database, modelId: Uint8Array): Promise<void> {
  await guarded(
    database.orm.transaction(async (tx) => {
      await tx.delete(modelAccess).where(eq(modelAccess.modelId, modelId));
      await tx.delete(uploadedModels).where(eq(uploadedModels.modelId, modelId));
    }),
  );
}

export async function grantModel(database: Database, modelId: Uint8Array, tenantId: string): Promise<void> {
  await guarded(database.orm.insert(modelAccess).values({ modelId, tenantId }).onConflictDoNothing());
}

export async function withdrawModel(
  database: Database,
  modelId: Uint8Array,
  tenantId: string,
): Promise<void> {
  const where = and(eq(modelAccess.modelId, modelId), eq(modelAccess.tenantId, tenantId));
  await guarded(database.orm.delete(modelAccess).where(where));
}
