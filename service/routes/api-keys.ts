/** API keys of the caller's tenant, for keys with the scope `admin`. */
import { createRoute, z } from "@hono/zod-openapi";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App } from "../middleware/env.ts";
import { refuseInvalid } from "../middleware/failure.ts";
import { readJson } from "../middleware/json-body.ts";
import { ServiceError } from "../problem.ts";
import { SCOPES, type KeyView, type Services } from "../services.ts";
import { KEY_SECURITY, problems } from "./schemas.ts";

const keySchema = z
  .object({
    id: z.uuid(),
    accountId: z.uuid(),
    prefix: z.string().openapi({ description: "First characters of the key" }),
    label: z.string(),
    scopes: z.array(z.string()),
    createdAt: z.iso.datetime(),
    expiresAt: z.iso.datetime().nullable(),
    revokedAt: z.iso.datetime().nullable(),
  })
  .openapi("ApiKey");
const createdSchema = keySchema
  .extend({ key: z.string().openapi({ description: "Shown this once; the service keeps its SHA-256" }) })
  .openapi("NewApiKey");
const bodySchema = z.strictObject({
  // Control characters would reach the terminals of whoever lists keys.
  label: z.string().regex(/^[^\p{C}]{1,100}$/u, "1 to 100 characters, none of them a control character"),
  scopes: z
    .array(z.enum(SCOPES))
    .min(1)
    .max(SCOPES.length)
    .refine((scopes) => new Set(scopes).size === scopes.length, "each scope once")
    .default(["infer"]),
  accountId: z
    .uuid()
    .optional()
    .openapi({ description: "An account that other keys have; by default a new one" }),
  expiresAt: z.iso.datetime({ offset: true }).optional(),
});
const params = z.object({ id: z.uuid() });

const KEY_PROBLEMS = ["unauthenticated", "api_key_invalid", "scope_missing"] as const;
const common = { tags: ["API keys"], security: KEY_SECURITY };
const createKey = createRoute({
  ...common,
  method: "post",
  path: "/v1/keys",
  summary: "Make an API key",
  description: "A key with the scope `admin` can make keys for every account of its tenant.",
  request: { body: { required: true, content: { "application/json": { schema: bodySchema } } } },
  responses: {
    201: { description: "The key", content: { "application/json": { schema: createdSchema } } },
    ...problems(...KEY_PROBLEMS, "request_invalid", "account_not_found", "key_limit"),
  },
});
const listKeys = createRoute({
  ...common,
  method: "get",
  path: "/v1/keys",
  summary: "The tenant's API keys",
  responses: {
    200: {
      description: "All that are not revoked, then the newest revoked ones: a thousand at most",
      content: { "application/json": { schema: z.object({ keys: z.array(keySchema) }) } },
    },
    ...problems(...KEY_PROBLEMS),
  },
});
const revokeKey = createRoute({
  ...common,
  method: "delete",
  path: "/v1/keys/{id}",
  summary: "Revoke an API key",
  description:
    "For good. Requests that are running end as they would have; the key may work for a few seconds more.",
  request: { params },
  responses: {
    204: { description: "It is revoked" },
    ...problems(...KEY_PROBLEMS, "request_invalid", "key_not_found"),
  },
});

export function apiKeys(app: App, services: Services, authenticator: Authenticator): void {
  const admin = authenticator.requires("admin");

  app.openAPIRegistry.registerPath(createKey);
  app.post(createKey.getRoutingPath(), admin, async (c) => {
    const { label, scopes, accountId, expiresAt } = await readJson(c, bodySchema);
    const until = expiresAt === undefined ? undefined : new Date(expiresAt);
    if (until !== undefined && until.getTime() <= services.nowMs())
      throw new ServiceError("request_invalid", "body.expiresAt: a time to come");
    const { tenantId, keyId } = c.var.account;
    const { key, view } = await services.keys.create({
      tenantId,
      label,
      scopes,
      accountId,
      expiresAt: until,
    });
    services.log.info({ traceId: c.var.traceId, by: keyId, made: view.id, scopes }, "API key made");
    return c.json({ ...toJson(view), key }, 201, { "cache-control": "no-store" });
  });

  app.openapi({ ...listKeys, middleware: admin }, async (c) => {
    const keys = await services.keys.list(c.var.account.tenantId);
    return c.json({ keys: keys.map(toJson) }, 200, { "cache-control": "no-store" });
  });

  app.openAPIRegistry.registerPath(revokeKey);
  app.delete(revokeKey.getRoutingPath(), admin, async (c) => {
    const read = params.safeParse(c.req.param());
    refuseInvalid({ ...read, target: "param" });
    const { tenantId, keyId } = c.var.account;
    const { id } = read.data!;
    if (!(await services.keys.revoke(id, tenantId))) throw new ServiceError("key_not_found");
    services.log.info({ traceId: c.var.traceId, by: keyId, revoked: id }, "API key revoked");
    return c.body(null, 204);
  });
}

function toJson(view: KeyView): z.infer<typeof keySchema> {
  const { id, accountId, prefix, label, scopes, createdAt, expiresAt, revokedAt } = view;
  return {
    id,
    accountId,
    prefix,
    label,
    scopes,
    createdAt: createdAt.toISOString(),
    expiresAt: expiresAt?.toISOString() ?? null,
    revokedAt: revokedAt?.toISOString() ?? null,
  };
}
