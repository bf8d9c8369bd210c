/** What every replica keeps in memory of tenants and models, and the number that tells it when to read it again. */
import { eq, sql } from "drizzle-orm";
import type { Database } from "./connect.ts";
import { guarded } from "./error.ts";
import {
  directoryHead,
  modelAccess,
  modelAliases,
  modelDeprecations,
  tenants,
  uploadedModels,
} from "./schema.ts";

export type TenantRow = typeof tenants.$inferSelect;
export type UploadedModelRow = typeof uploadedModels.$inferSelect;
export type AliasRow = typeof modelAliases.$inferSelect;
export type DeprecationRow = typeof modelDeprecations.$inferSelect;

export interface DirectoryRows {
  version: bigint;
  tenants: TenantRow[];
  access: { modelId: Uint8Array; tenantId: string }[];
  aliases: AliasRow[];
  deprecations: DeprecationRow[];
  uploaded: UploadedModelRow[];
}

export type Transaction = Parameters<Parameters<Database["orm"]["transaction"]>[0]>[0];

/** A change that the other replicas are to see: it raises the directory's version in the same transaction. */
export async function changeDirectory<T>(
  database: Database,
  work: (tx: Transaction) => Promise<T>,
): Promise<T> {
  return await guarded(
    database.orm.transaction(async (tx) => {
      const done = await work(tx);
      await tx.update(directoryHead).set({ version: sql`${directoryHead.version} + 1` });
      return done;
    }),
  );
}

export async function directoryVersion(database: Database): Promise<bigint> {
  const [row] = await guarded(
    database.orm
      .select({ version: directoryHead.version })
      .from(directoryHead)
      .where(eq(directoryHead.id, 1)),
  );
  return row?.version ?? 0n;
}

/** All of it, as of one moment. */
export async function readDirectory(database: Database): Promise<DirectoryRows> {
  return await guarded(
    database.orm.transaction(
      async (tx) => ({
        version: (await tx.select().from(directoryHead))[0]?.version ?? 0n,
        tenants: await tx.select().from(tenants),
        access: await tx.select().from(modelAccess),
        aliases: await tx.select().from(modelAliases),
        deprecations: await tx.select().from(modelDeprecations),
        uploaded: await tx.select().from(uploadedModels),
      }),
      { isolationLevel: "repeatable read", accessMode: "read only" },
    ),
  );
}
