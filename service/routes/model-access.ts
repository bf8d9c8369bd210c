/** Who may use a tenant's own models, and their removal, for the tenant's administrators. */
import { createRoute, z } from "@hono/zod-openapi";
import { fromHex } from "../../codec/index.ts";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App, AppContext } from "../middleware/env.ts";
import { refuseInvalid } from "../middleware/failure.ts";
import type { Services } from "../services.ts";
import { hex32, KEY_SECURITY, problems } from "./schemas.ts";

const params = z.object({ modelId: hex32 });
const guestParams = params.extend({ tenantId: z.uuid() });
const common = { tags: ["Models"], security: KEY_SECURITY };
const PROBLEMS = problems(
  "unauthenticated",
  "api_key_invalid",
  "scope_missing",
  "request_invalid",
  "model_not_found",
);

const list = createRoute({
  ...common,
  method: "get",
  path: "/v1/models/{modelId}/access",
  summary: "Tenants that may use one of your models",
  request: { params },
  responses: {
    200: {
      description: "Besides your own",
      content: { "application/json": { schema: z.object({ tenants: z.array(z.uuid()) }) } },
    },
    ...PROBLEMS,
  },
});
const allow = createRoute({
  ...common,
  method: "put",
  path: "/v1/models/{modelId}/access/{tenantId}",
  summary: "Let a tenant use one of your models",
  request: { params: guestParams },
  responses: { 204: { description: "It may" }, ...PROBLEMS },
});
const deny = createRoute({
  ...common,
  method: "delete",
  path: "/v1/models/{modelId}/access/{tenantId}",
  summary: "Let a tenant use it no longer",
  request: { params: guestParams },
  responses: { 204: { description: "It may not" }, ...PROBLEMS },
});
const remove = createRoute({
  ...common,
  method: "delete",
  path: "/v1/models/{modelId}",
  summary: "Remove one of your models",
  description: "Its ciphertext is erased; receipts of it stay good.",
  request: { params },
  responses: { 204: { description: "It is gone" }, ...PROBLEMS },
});

export function modelAccess(app: App, services: Services, authenticator: Authenticator): void {
  const { privateModels } = services;
  const admin = authenticator.requires("admin");
  for (const each of [list, allow, deny, remove]) app.openAPIRegistry.registerPath(each);

  app.get(list.getRoutingPath(), admin, (c) => {
    const { modelId } = read(c, params);
    const tenants = privateModels.guests(fromHex(modelId, 32), c.var.account.tenantId);
    return c.json({ tenants }, 200, { "cache-control": "no-store" });
  });
  app.put(allow.getRoutingPath(), admin, async (c) => {
    const { modelId, tenantId } = read(c, guestParams);
    await privateModels.allow(fromHex(modelId, 32), c.var.account.tenantId, tenantId);
    tell(c, "a tenant was let in to a model", modelId);
    return c.body(null, 204);
  });
  app.delete(deny.getRoutingPath(), admin, async (c) => {
    const { modelId, tenantId } = read(c, guestParams);
    await privateModels.deny(fromHex(modelId, 32), c.var.account.tenantId, tenantId);
    tell(c, "a tenant was let out of a model", modelId);
    return c.body(null, 204);
  });
  app.delete(remove.getRoutingPath(), admin, async (c) => {
    const { modelId } = read(c, params);
    await privateModels.remove(fromHex(modelId, 32), c.var.account.tenantId);
    tell(c, "model removed", modelId);
    return c.body(null, 204);
  });

  function tell(c: AppContext, what: string, modelId: string): void {
    services.log.info({ traceId: c.var.traceId, by: c.var.account.keyId, modelId }, what);
  }
}

function read<Schema extends z.ZodType>(c: AppContext, schema: Schema): z.infer<Schema> {
  const result = schema.safeParse(c.req.param());
  refuseInvalid({ ...result, target: "param" });
  return result.data as z.infer<Schema>;
}
