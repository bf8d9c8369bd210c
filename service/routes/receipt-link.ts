import { createRoute, z } from "@hono/zod-openapi";
import { sha256, toBase64Url, utf8 } from "../../codec/index.ts";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App } from "../middleware/env.ts";
import { refuseInvalid } from "../middleware/failure.ts";
import { readJson } from "../middleware/json-body.ts";
import type { Services } from "../services.ts";
import { requireOwner } from "./receipt.ts";
import { KEY_SECURITY, problems, receiptParams } from "./schemas.ts";

const DAY_SECONDS = 86_400;
const TOKEN_BYTES = 32;

const bodySchema = z.strictObject({
  expiresInSeconds: z
    .int()
    .min(60)
    .max(3660 * DAY_SECONDS)
    .default(30 * DAY_SECONDS),
});
const route = createRoute({
  method: "post",
  path: "/v1/receipts/{id}/link",
  tags: ["Receipts"],
  summary: "A link that lets others read a receipt",
  description: "The token is shown once; the service keeps its hash.",
  security: KEY_SECURITY,
  request: {
    params: receiptParams,
    body: { required: false, content: { "application/json": { schema: bodySchema } } },
  },
  responses: {
    201: {
      description: "The link",
      content: {
        "application/json": {
          schema: z.object({ path: z.string(), token: z.string(), expiresAt: z.string() }),
        },
      },
    },
    ...problems(
      "unauthenticated",
      "api_key_invalid",
      "scope_missing",
      "receipt_not_found",
      "request_invalid",
    ),
  },
});

export function receiptLink(app: App, services: Services, authenticator: Authenticator): void {
  app.openAPIRegistry.registerPath(route);
  app.post(route.getRoutingPath(), async (c) => {
    const params = receiptParams.safeParse(c.req.param());
    refuseInvalid({ ...params, target: "param" });
    const receiptId = params.data!.id;
    await requireOwner(c, services, authenticator, receiptId);
    const { expiresInSeconds } = await readJson(c, bodySchema);
    const token = toBase64Url(services.randomBytes(TOKEN_BYTES));
    const expiresAtMs = services.nowMs() + expiresInSeconds * 1000;
    await services.receipts.addLink({
      receiptId,
      account: c.var.account,
      tokenDigest: sha256(utf8(token)),
      expiresAtMs,
    });
    const path = `/v1/receipts/${receiptId}?token=${token}`;
    return c.json({ path, token, expiresAt: new Date(expiresAtMs).toISOString() }, 201, {
      "cache-control": "no-store",
    });
  });
}
