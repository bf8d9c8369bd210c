/** Access, aliases and deprecation of the installation's own models, and the administrators' log, for administrators who sign. */
import { z } from "@hono/zod-openapi";
import { fromHex, toHex0x } from "../../codec/index.ts";
import type { AdminLogRow } from "../db/admin-log.ts";
import type { App } from "../middleware/env.ts";
import { refuseInvalid } from "../middleware/failure.ts";
import { parseBody } from "../middleware/json-body.ts";
import { signed } from "../middleware/signed.ts";
import type { Services } from "../services.ts";
import { adminRoute, jsonBody, NO_STORE, readParams } from "./admin-schemas.ts";
import { hex32 } from "./schemas.ts";

const modelParams = z.object({ modelId: hex32 });
const accessParams = modelParams.extend({ tenantId: z.uuid() });
const aliasParams = z.object({
  name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, "lower-case letters, digits and hyphens"),
});
const aliasSchema = z.strictObject({ modelId: hex32 });
const deprecationSchema = z.strictObject({
  deprecatedAt: z.iso.datetime({ offset: true }).optional().openapi({ description: "Now where left out" }),
  sunsetAt: z.iso
    .datetime({ offset: true })
    .nullable()
    .default(null)
    .openapi({ description: "From then on the model is refused" }),
});
const logQuery = z.strictObject({
  before: z.coerce
    .bigint()
    .min(1n)
    .max(2n ** 63n - 1n)
    .optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});
const entrySchema = z
  .object({
    index: z.string(),
    at: z.iso.datetime(),
    signer: z.string(),
    audience: z.string(),
    method: z.string(),
    path: z.string(),
    body: z.string().openapi({ description: "Text whose SHA-256 was signed" }),
    nonce: z.string(),
    expiresAtMs: z.string(),
    signature: z.string(),
  })
  .openapi("AdminLogEntry");

const MODELS = "/v1/admin/models/{modelId}";
const routes = {
  access: adminRoute({
    method: "get",
    path: `${MODELS}/access`,
    summary: "Tenants that were let in to a model",
    request: { params: modelParams },
    answer: { status: 200, description: "Their ids", schema: z.object({ tenants: z.array(z.uuid()) }) },
    codes: ["model_not_found"],
  }),
  allow: adminRoute({
    method: "put",
    path: `${MODELS}/access/{tenantId}`,
    summary: "Let a tenant use a model of the models folders",
    request: { params: accessParams },
    answer: { status: 204, description: "It may" },
    codes: ["model_not_found", "tenant_not_found"],
  }),
  deny: adminRoute({
    method: "delete",
    path: `${MODELS}/access/{tenantId}`,
    summary: "Let a tenant use it no longer",
    request: { params: accessParams },
    answer: { status: 204, description: "It may not, but where it may use every model" },
    codes: ["model_not_found", "tenant_not_found"],
  }),
  deprecate: adminRoute({
    method: "put",
    path: `${MODELS}/deprecation`,
    summary: "Deprecate a model",
    description: "Its answers say so (RFC 9745, RFC 8594); after `sunsetAt` there are none.",
    request: { params: modelParams, body: jsonBody(deprecationSchema) },
    answer: { status: 204, description: "It is deprecated" },
    codes: ["model_not_found"],
  }),
  undeprecate: adminRoute({
    method: "delete",
    path: `${MODELS}/deprecation`,
    summary: "Take a deprecation back",
    request: { params: modelParams },
    answer: { status: 204, description: "It is not deprecated" },
    codes: ["deprecation_not_found"],
  }),
  alias: adminRoute({
    method: "put",
    path: "/v1/admin/aliases/{name}",
    summary: "Point a name at a model, or move it",
    description: "Receipts name the model, never the alias.",
    request: { params: aliasParams, body: jsonBody(aliasSchema) },
    answer: { status: 204, description: "It names the model" },
    codes: ["model_not_found", "alias_taken"],
  }),
  removeAlias: adminRoute({
    method: "delete",
    path: "/v1/admin/aliases/{name}",
    summary: "Remove an alias",
    request: { params: aliasParams },
    answer: { status: 204, description: "It names nothing" },
    codes: ["alias_not_found"],
  }),
  log: adminRoute({
    method: "get",
    path: "/v1/admin/log",
    summary: "What administrators did",
    description: "Each entry holds the request as it was signed, so that it can be verified again.",
    request: { query: logQuery },
    answer: {
      status: 200,
      description: "The newest first",
      schema: z.object({ entries: z.array(entrySchema) }),
    },
  }),
};

export function adminModels(app: App, services: Services): void {
  const { administration } = services;
  const admin = signed(services);
  for (const route of Object.values(routes)) app.openAPIRegistry.registerPath(route);

  app.get(routes.access.getRoutingPath(), admin, (c) => {
    const { modelId } = readParams(c, modelParams);
    return c.json({ tenants: administration.access(fromHex(modelId, 32)) }, 200, NO_STORE);
  });
  app.put(routes.allow.getRoutingPath(), admin, async (c) => {
    const { modelId, tenantId } = readParams(c, accessParams);
    await administration.setAccess(c.var.admin, fromHex(modelId, 32), tenantId, true);
    return c.body(null, 204);
  });
  app.delete(routes.deny.getRoutingPath(), admin, async (c) => {
    const { modelId, tenantId } = readParams(c, accessParams);
    await administration.setAccess(c.var.admin, fromHex(modelId, 32), tenantId, false);
    return c.body(null, 204);
  });
  app.put(routes.deprecate.getRoutingPath(), admin, async (c) => {
    const { modelId } = readParams(c, modelParams);
    const { deprecatedAt, sunsetAt } = parseBody(c.var.admin.body, deprecationSchema);
    await administration.deprecate(c.var.admin, fromHex(modelId, 32), {
      deprecatedAt: deprecatedAt === undefined ? undefined : new Date(deprecatedAt),
      sunsetAt: sunsetAt === null ? null : new Date(sunsetAt),
    });
    return c.body(null, 204);
  });
  app.delete(routes.undeprecate.getRoutingPath(), admin, async (c) => {
    const { modelId } = readParams(c, modelParams);
    await administration.undeprecate(c.var.admin, fromHex(modelId, 32));
    return c.body(null, 204);
  });
  app.put(routes.alias.getRoutingPath(), admin, async (c) => {
    const { name } = readParams(c, aliasParams);
    const { modelId } = parseBody(c.var.admin.body, aliasSchema);
    await administration.setAlias(c.var.admin, name, fromHex(modelId, 32));
    return c.body(null, 204);
  });
  app.delete(routes.removeAlias.getRoutingPath(), admin, async (c) => {
    await administration.removeAlias(c.var.admin, readParams(c, aliasParams).name);
    return c.body(null, 204);
  });
  app.get(routes.log.getRoutingPath(), admin, async (c) => {
    const query = logQuery.safeParse(c.req.query());
    refuseInvalid({ ...query, target: "query" });
    const { before, limit } = query.data!;
    const rows = await administration.log({ before, limit });
    return c.json({ entries: rows.map(toJson) }, 200, NO_STORE);
  });
}

function toJson(row: AdminLogRow): z.infer<typeof entrySchema> {
  return {
    index: row.index.toString(),
    at: row.at.toISOString(),
    signer: row.signer,
    audience: row.audience,
    method: row.method,
    path: row.path,
    body: new TextDecoder().decode(row.body),
    nonce: toHex0x(row.nonce),
    expiresAtMs: row.expiresAtMs.toString(),
    signature: toHex0x(row.signature),
  };
}
