/** Tenants, their limits, keys and use, for administrators who sign. */
import { z } from "@hono/zod-openapi";
import type { MonthRow } from "../db/usage.ts";
import type { TenantRow } from "../db/directory.ts";
import type { App } from "../middleware/env.ts";
import { parseBody } from "../middleware/json-body.ts";
import { signed } from "../middleware/signed.ts";
import { ServiceError } from "../problem.ts";
import { SCOPES, type KeyView, type Services } from "../services.ts";
import { adminRoute, jsonBody, label, NO_STORE, readParams, tenantParams } from "./admin-schemas.ts";

const limit = (most: number) => z.int().min(1).max(most).nullable();
const limits = {
  requestsPerMinute: limit(10_000_000),
  concurrency: limit(100_000),
  requestsPerMonth: limit(1_000_000_000_000),
  everyModel: z.boolean().openapi({ description: "Whether every model of the models folders may be used" }),
};
const tenantSchema = z
  .object({
    tenantId: z.uuid(),
    name: z.string(),
    createdAt: z.iso.datetime(),
    suspendedAt: z.iso.datetime().nullable(),
    ...limits,
  })
  .openapi("Tenant");
const newTenantSchema = z.strictObject({
  name: label,
  requestsPerMinute: limits.requestsPerMinute.default(null),
  concurrency: limits.concurrency.default(null),
  requestsPerMonth: limits.requestsPerMonth.default(null),
  everyModel: limits.everyModel.default(false),
});
const changeSchema = z.strictObject({ name: label, ...limits }).partial();
const monthSchema = z.object({
  month: z.string().openapi({ example: "2027-01" }),
  answered: z.int(),
  refused: z.int(),
  inputBytes: z.int(),
  outputBytes: z.int(),
  leased: z.int().openapi({ description: "Of the month's quota: answered, or ahead in a replica's hand" }),
});
const keySchema = z.object({
  id: z.uuid(),
  accountId: z.uuid(),
  prefix: z.string(),
  label: z.string(),
  scopes: z.array(z.string()),
  createdAt: z.iso.datetime(),
  expiresAt: z.iso.datetime().nullable(),
  revokedAt: z.iso.datetime().nullable(),
});
const newKeySchema = z.strictObject({
  label,
  scopes: z
    .array(z.enum(SCOPES))
    .min(1)
    .max(SCOPES.length)
    .refine((scopes) => new Set(scopes).size === scopes.length, "each scope once")
    .default(["infer"]),
  accountId: z.uuid().optional(),
  expiresAt: z.iso.datetime({ offset: true }).optional(),
});
const keyParams = tenantParams.extend({ id: z.uuid() });

const TENANTS = "/v1/admin/tenants";
const ONE = `${TENANTS}/{tenantId}`;
const KEYS = `${ONE}/keys`;
const aTenant = { status: 200 as const, description: "The tenant", schema: tenantSchema };
const routes = {
  list: adminRoute({
    method: "get",
    path: TENANTS,
    summary: "Every tenant",
    answer: { status: 200, description: "All", schema: z.object({ tenants: z.array(tenantSchema) }) },
  }),
  create: adminRoute({
    method: "post",
    path: TENANTS,
    summary: "Make a tenant",
    description: "It may use no model until it is let in to one, and has no key.",
    request: { body: jsonBody(newTenantSchema) },
    answer: { ...aTenant, status: 201 },
    codes: ["tenant_limit"],
  }),
  change: adminRoute({
    method: "patch",
    path: ONE,
    summary: "Change a tenant's name or limits",
    description: "Members that are left out stay; null takes a limit away.",
    request: { params: tenantParams, body: jsonBody(changeSchema) },
    answer: aTenant,
    codes: ["tenant_not_found"],
  }),
  suspend: adminRoute({
    method: "post",
    path: `${ONE}/suspend`,
    summary: "Suspend a tenant",
    description:
      "Its keys open nothing from then on, within a second on every replica. What runs ends as it would have.",
    request: { params: tenantParams },
    answer: aTenant,
    codes: ["tenant_not_found"],
  }),
  resume: adminRoute({
    method: "post",
    path: `${ONE}/resume`,
    summary: "Let a suspended tenant in again",
    request: { params: tenantParams },
    answer: aTenant,
    codes: ["tenant_not_found"],
  }),
  usage: adminRoute({
    method: "get",
    path: `${ONE}/usage`,
    summary: "What a tenant used, by month",
    request: { params: tenantParams },
    answer: {
      status: 200,
      description: "The newest month first, two years at most",
      schema: z.object({ tenant: tenantSchema, months: z.array(monthSchema) }),
    },
    codes: ["tenant_not_found"],
  }),
  keys: adminRoute({
    method: "get",
    path: KEYS,
    summary: "A tenant's API keys",
    request: { params: tenantParams },
    answer: {
      status: 200,
      description: "A thousand at most",
      schema: z.object({ keys: z.array(keySchema) }),
    },
    codes: ["tenant_not_found"],
  }),
  createKey: adminRoute({
    method: "post",
    path: KEYS,
    summary: "Make an API key for a tenant",
    request: { params: tenantParams, body: jsonBody(newKeySchema) },
    answer: {
      status: 201,
      description: "The key: shown this once",
      schema: keySchema.extend({ key: z.string() }),
    },
    codes: ["tenant_not_found", "account_not_found", "key_limit"],
  }),
  revokeKey: adminRoute({
    method: "delete",
    path: `${KEYS}/{id}`,
    summary: "Revoke a tenant's API key",
    request: { params: keyParams },
    answer: { status: 204, description: "It is revoked" },
    codes: ["tenant_not_found", "key_not_found"],
  }),
};

export function adminTenants(app: App, services: Services): void {
  const { administration } = services;
  const admin = signed(services);
  for (const route of Object.values(routes)) app.openAPIRegistry.registerPath(route);

  app.get(routes.list.getRoutingPath(), admin, (c) =>
    c.json({ tenants: administration.tenants().map(toJson) }, 200, NO_STORE),
  );
  app.post(routes.create.getRoutingPath(), admin, async (c) => {
    const { requestsPerMonth, ...rest } = parseBody(c.var.admin.body, newTenantSchema);
    const wanted = { ...rest, requestsPerMonth: toQuota(requestsPerMonth) };
    return c.json(toJson(await administration.createTenant(c.var.admin, wanted)), 201, NO_STORE);
  });
  app.patch(routes.change.getRoutingPath(), admin, async (c) => {
    const { tenantId } = readParams(c, tenantParams);
    const { requestsPerMonth, ...rest } = parseBody(c.var.admin.body, changeSchema);
    const change = {
      ...defined(rest),
      ...(requestsPerMonth !== undefined && { requestsPerMonth: toQuota(requestsPerMonth) }),
    };
    return c.json(toJson(await administration.changeTenant(c.var.admin, tenantId, change)), 200, NO_STORE);
  });
  for (const [route, suspended] of [[routes.suspend, true] as const, [routes.resume, false] as const])
    app.post(route.getRoutingPath(), admin, async (c) => {
      const { tenantId } = readParams(c, tenantParams);
      return c.json(toJson(await administration.suspend(c.var.admin, tenantId, suspended)), 200, NO_STORE);
    });
  app.get(routes.usage.getRoutingPath(), admin, async (c) => {
    const { tenantId } = readParams(c, tenantParams);
    const { tenant, months } = await administration.usage(tenantId);
    return c.json({ tenant: toJson(tenant), months: months.map(monthToJson) }, 200, NO_STORE);
  });
  app.get(routes.keys.getRoutingPath(), admin, async (c) => {
    const { tenantId } = readParams(c, tenantParams);
    return c.json({ keys: (await administration.keys(tenantId)).map(keyToJson) }, 200, NO_STORE);
  });
  app.post(routes.createKey.getRoutingPath(), admin, async (c) => {
    const { tenantId } = readParams(c, tenantParams);
    const { label: text, scopes, accountId, expiresAt } = parseBody(c.var.admin.body, newKeySchema);
    const until = expiresAt === undefined ? undefined : new Date(expiresAt);
    if (until !== undefined && until.getTime() <= services.nowMs())
      throw new ServiceError("request_invalid", "body.expiresAt: a time to come");
    const wanted = { tenantId, label: text, scopes, accountId, expiresAt: until };
    const { key, view } = await administration.createKey(c.var.admin, wanted);
    return c.json({ ...keyToJson(view), key }, 201, NO_STORE);
  });
  app.delete(routes.revokeKey.getRoutingPath(), admin, async (c) => {
    const { tenantId, id } = readParams(c, keyParams);
    await administration.revokeKey(c.var.admin, tenantId, id);
    return c.body(null, 204);
  });
}

function toQuota(value: number | null): bigint | null {
  return value === null ? null : BigInt(value);
}

function defined<T extends object>(members: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as never;
}

function toJson(row: TenantRow): z.infer<typeof tenantSchema> {
  const { tenantId, name, createdAt, suspendedAt, requestsPerMinute, concurrency, everyModel } = row;
  return {
    tenantId,
    name,
    createdAt: createdAt.toISOString(),
    suspendedAt: suspendedAt?.toISOString() ?? null,
    requestsPerMinute,
    concurrency,
    requestsPerMonth: row.requestsPerMonth === null ? null : Number(row.requestsPerMonth),
    everyModel,
  };
}

function monthToJson({ month, leased, answered, refused, inputBytes, outputBytes }: MonthRow) {
  return {
    month,
    answered: Number(answered),
    refused: Number(refused),
    inputBytes: Number(inputBytes),
    outputBytes: Number(outputBytes),
    leased: Number(leased),
  };
}

function keyToJson({ id, accountId, prefix, label: text, scopes, createdAt, expiresAt, revokedAt }: KeyView) {
  return {
    id,
    accountId,
    prefix,
    label: text,
    scopes: [...scopes],
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt?.toISOString() ?? null,
    revokedAt: revokedAt?.toISOString() ?? null,
  };
}
