import { createRoute, z } from "@hono/zod-openapi";
import { toHex } from "../../codec/index.ts";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App } from "../middleware/env.ts";
import { refuseInvalid } from "../middleware/failure.ts";
import { readJson } from "../middleware/json-body.ts";
import { sealable } from "../middleware/sealable.ts";
import { ServiceError } from "../problem.ts";
import type { Services } from "../services.ts";
import { requireOwner } from "./receipt.ts";
import { KEY_SECURITY, problems, receiptParams } from "./schemas.ts";

const bodySchema = z.strictObject({});
const route = createRoute({
  method: "post",
  path: "/v1/receipts/{id}/salt",
  tags: ["Receipts"],
  summary: "The salt that the vault made for a receipt",
  description:
    "To a sealed request alone, by EHBP (with the body `{}`) or Oblivious HTTP: whoever has the salt can open the receipt's digests.",
  security: KEY_SECURITY,
  request: {
    params: receiptParams,
    body: { required: true, content: { "application/json": { schema: bodySchema } } },
  },
  responses: {
    200: {
      description: "The salt, 32 bytes in hex",
      content: { "application/json": { schema: z.object({ salt: z.string() }) } },
    },
    ...problems(
      "unauthenticated",
      "api_key_invalid",
      "scope_missing",
      "receipt_not_found",
      "salt_not_kept",
      "sealing_required",
      "sealed_key_unknown",
      "sealed_body_invalid",
      "sealed_replayed",
      "request_invalid",
    ),
  },
});

export function receiptSalt(app: App, services: Services, authenticator: Authenticator): void {
  app.openAPIRegistry.registerPath(route);
  const sealed = sealable(services, { required: true });
  app.post(route.getRoutingPath(), authenticator.requires("infer"), sealed, async (c) => {
    const params = receiptParams.safeParse(c.req.param());
    refuseInvalid({ ...params, target: "param" });
    const receiptId = params.data!.id;
    await requireOwner(c, services, authenticator, receiptId);
    await readJson(c, bodySchema);
    const salt = await services.receipts.salt(receiptId);
    if (!salt) throw new ServiceError("salt_not_kept");
    return c.json({ salt: toHex(salt) }, 200, { "cache-control": "no-store" });
  });
}
