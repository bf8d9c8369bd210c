/** Tenants, whom a model is open to, aliases and deprecations. Each change runs in a transaction that others see whole. */
import { randomUUID } from "node:crypto";
import { and, count, eq, isNotNull, isNull } from "drizzle-orm";
import type { TenantRow, Transaction } from "./directory.ts";
import { modelAccess, modelAliases, modelDeprecations, tenants } from "./schema.ts";
import type { TenantLimits } from "./usage.ts";

export interface NewTenant extends TenantLimits {
  name: string;
  everyModel: boolean;
}

/** @returns undefined where there are `most` of them */
export async function addTenant(
  tx: Transaction,
  wanted: NewTenant,
  most: number,
): Promise<TenantRow | undefined> {
  const [row] = await tx.select({ known: count() }).from(tenants);
  if (row!.known >= most) return undefined;
  const [added] = await tx
    .insert(tenants)
    .values({ tenantId: randomUUID(), ...wanted })
    .returning();
  return added;
}

/** Members that are left out stay. @returns undefined where there is no such tenant */
export async function changeTenant(
  tx: Transaction,
  tenantId: string,
  change: Partial<NewTenant>,
): Promise<TenantRow | undefined> {
  const where = eq(tenants.tenantId, tenantId);
  if (Object.keys(change).length === 0) return (await tx.select().from(tenants).where(where))[0];
  return (await tx.update(tenants).set(change).where(where).returning())[0];
}

/** @returns whether that changed something */
export async function setSuspended(
  tx: Transaction,
  tenantId: string,
  suspendedAt: Date | null,
): Promise<boolean> {
  const before = suspendedAt ? isNull(tenants.suspendedAt) : isNotNull(tenants.suspendedAt);
  const where = and(eq(tenants.tenantId, tenantId), before);
  return (await tx.update(tenants).set({ suspendedAt }).where(where).returning()).length > 0;
}

export async function grantModel(tx: Transaction, modelId: Uint8Array, tenantId: string): Promise<void> {
  await tx.insert(modelAccess).values({ modelId, tenantId }).onConflictDoNothing();
}

export async function withdrawModel(tx: Transaction, modelId: Uint8Array, tenantId: string): Promise<void> {
  const where = and(eq(modelAccess.modelId, modelId), eq(modelAccess.tenantId, tenantId));
  await tx.delete(modelAccess).where(where);
}
/** @returns the model that it named before, 32 bytes */
export async function putAlias(
  tx: Transaction,
  name: string,
  modelId: Uint8Array,
): Promise<Uint8Array | undefined> {
  const [before] = await tx.select().from(modelAliases).where(eq(modelAliases.name, name)).for("update");
  const set = { modelId, movedAt: new Date() };
  await tx
    .insert(modelAliases)
    .values({ name, ...set })
    .onConflictDoUpdate({ target: modelAliases.name, set });
  return before?.modelId;
}

/** @returns whether there was one */
export async function removeAlias(tx: Transaction, name: string): Promise<boolean> {
  return (await tx.delete(modelAliases).where(eq(modelAliases.name, name)).returning()).length > 0;
}

export async function putDeprecation(
  tx: Transaction,
  modelId: Uint8Array,
  { deprecatedAt, sunsetAt }: { deprecatedAt: Date; sunsetAt: Date | null },
): Promise<void> {
  await tx
    .insert(modelDeprecations)
    .values({ modelId, deprecatedAt, sunsetAt })
    .onConflictDoUpdate({ target: modelDeprecations.modelId, set: { deprecatedAt, sunsetAt } });
}

/** @returns whether there was one */
export async function removeDeprecation(tx: Transaction, modelId: Uint8Array): Promise<boolean> {
  const where = eq(modelDeprecations.modelId, modelId);
  return (await tx.delete(modelDeprecations).where(where).returning()).length > 0;
}
