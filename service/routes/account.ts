import { createRoute, z } from "@hono/zod-openapi";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App } from "../middleware/env.ts";
import { KEY_SECURITY, problems } from "./schemas.ts";

const route = createRoute({
  method: "get",
  path: "/v1/account",
  tags: ["Account"],
  summary: "Whose key this is",
  security: KEY_SECURITY,
  responses: {
    200: {
      description: "The account; receipts name it in their requester hash as `account:<accountId>`",
      content: {
        "application/json": {
          schema: z.object({ accountId: z.string(), tenantId: z.string(), keyId: z.string() }),
        },
      },
    },
    ...problems("unauthenticated", "api_key_invalid"),
  },
});

export function account(app: App, authenticator: Authenticator): void {
  app.openapi({ ...route, middleware: authenticator.requires("any") }, (c) => {
    const { accountId, tenantId, keyId } = c.var.account;
    return c.json({ accountId, tenantId, keyId }, 200, { "cache-control": "no-store" });
  });
}
