import { createRoute, z } from "@hono/zod-openapi";
import { fromHex } from "../../codec/index.ts";
import { REVOCATION_KINDS, type RevocationKind } from "../../receipts/index.ts";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App } from "../middleware/env.ts";
import { readJson } from "../middleware/json-body.ts";
import type { Services } from "../services.ts";
import { hex32, KEY_SECURITY, problems } from "./schemas.ts";

const KINDS = Object.keys(REVOCATION_KINDS) as [RevocationKind, ...RevocationKind[]];
const bodySchema = z.strictObject({
  kind: z.enum(KINDS),
  subject: hex32.openapi({ description: "Digest of what is revoked" }),
  fromIndex: z
    .string()
    .regex(/^(0|[1-9][0-9]{0,17})$/, "a leaf index")
    .optional()
    .openapi({ description: "Statements from this leaf on are refused; by default those from now on" }),
});
const addedSchema = z
  .object({ receiptId: z.string(), leafIndex: z.string(), fromIndex: z.string() })
  .openapi("AddedRevocation");

const addRoute = createRoute({
  method: "post",
  path: "/v1/revocations",
  tags: ["Log"],
  summary: "Revoke a keyset, model, circuit or policy",
  description: "For good: it is signed and logged. For administrators of the operator's own tenant.",
  security: KEY_SECURITY,
  request: { body: { required: true, content: { "application/json": { schema: bodySchema } } } },
  responses: {
    201: { description: "It is in the log", content: { "application/json": { schema: addedSchema } } },
    ...problems(
      "unauthenticated",
      "api_key_invalid",
      "scope_missing",
      "request_invalid",
      "revocation_limit",
      "session_unavailable",
    ),
  },
});
const listRoute = createRoute({
  method: "get",
  path: "/v1/revocations",
  tags: ["Log"],
  summary: "What is revoked, each with its place in the log",
  responses: {
    200: {
      description: "Statements that a checkpoint covers",
      content: {
        "application/json": { schema: z.looseObject({ formatVersion: z.literal(1) }).openapi("Revocations") },
      },
    },
    ...problems(),
  },
});

export function revocations(app: App, services: Services, authenticator: Authenticator): void {
  // Read by hand: the route's own validation would take any length.
  app.openAPIRegistry.registerPath(addRoute);
  app.post(addRoute.getRoutingPath(), authenticator.requires("admin"), async (c) => {
    const { kind, subject, fromIndex } = await readJson(c, bodySchema);
    const added = await services.revocations.add(c.var.account, {
      kind,
      subject: fromHex(subject.replace(/^0x/, ""), 32),
      fromIndex: fromIndex === undefined ? undefined : BigInt(fromIndex),
    });
    const { receiptId, leafIndex, fromIndex: from } = added;
    const by = c.var.account.keyId;
    services.log.info({ traceId: c.var.traceId, by, kind, leafIndex: leafIndex.toString() }, "revoked");
    return c.json({ receiptId, leafIndex: leafIndex.toString(), fromIndex: from.toString() }, 201);
  });
  app.openapi(listRoute, async (c) => {
    const body = await services.revocations.list();
    return c.body(body, 200, { "content-type": "application/json", "cache-control": "no-cache" }) as never;
  });
}
