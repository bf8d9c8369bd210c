import { createRoute, z } from "@hono/zod-openapi";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App } from "../middleware/env.ts";
import type { Services } from "../services.ts";
import { withForeignErrors } from "./foreign-error.ts";
import { requireOwner } from "./receipt.ts";
import { KEY_SECURITY, problems, receiptParams } from "./schemas.ts";

const route = createRoute({
  method: "get",
  path: "/v1/aci/receipts/{id}",
  tags: ["Other formats"],
  summary: "ACI v1 receipt",
  description: "For the account that made the request alone: it holds unsalted hashes of the bodies.",
  security: KEY_SECURITY,
  request: { params: receiptParams },
  responses: {
    200: {
      description: "Signed event log, as aci/1 lays it out",
      content: {
        "application/json": {
          schema: z.looseObject({ api_version: z.literal("aci/1") }).openapi("AciReceipt"),
        },
      },
    },
    ...problems(
      "unauthenticated",
      "api_key_invalid",
      "scope_missing",
      "receipt_not_found",
      "receipt_form_unavailable",
    ),
  },
});

export function aciReceipt(app: App, services: Services, authenticator: Authenticator): void {
  app.openAPIRegistry.registerPath(route);
  app.get(route.getRoutingPath(), (c) =>
    withForeignErrors(c, async () => {
      const id = c.req.param("id")!;
      await requireOwner(c, services, authenticator, id);
      return new Response(await services.receipts.forms.aci(id), {
        headers: { "content-type": "application/json", "cache-control": "private, no-store" },
      });
    }),
  );
}
