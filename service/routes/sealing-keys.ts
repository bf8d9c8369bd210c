/** The HPKE keys of sealed requests, for the operator: which there are, and another one. */
import { createRoute, z } from "@hono/zod-openapi";
import { toHex } from "../../codec/index.ts";
import type { SealingKeyInfo } from "../../vault/index.ts";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App } from "../middleware/env.ts";
import { readJson } from "../middleware/json-body.ts";
import type { Services } from "../services.ts";
import { KEY_SECURITY, problems } from "./schemas.ts";

const time = z.iso.datetime();
const listSchema = z
  .object({
    keys: z.array(
      z.object({
        epoch: z.int(),
        publicKey: z.string().openapi({ description: "X25519, hex" }),
        madeAt: time,
        endsAt: time
          .nullable()
          .openapi({ description: "When it opens no request any more; null for the newest" }),
      }),
    ),
  })
  .openapi("SealingKeys");
const rotationSchema = z.strictObject({
  endOlder: z
    .boolean()
    .default(false)
    .openapi({ description: "All older keys open nothing from now on, for where one became known" }),
});
const common = { tags: ["Sealed requests"], security: KEY_SECURITY };
const answer = (description: string) => ({
  description,
  content: { "application/json": { schema: listSchema } },
});
const PROBLEMS = ["unauthenticated", "api_key_invalid", "scope_missing", "session_unavailable"] as const;

const listRoute = createRoute({
  ...common,
  method: "get",
  path: "/v1/sealing-keys",
  summary: "The HPKE keys that open requests now, the newest first",
  description: "For administrators of the operator's own tenant, as the next.",
  responses: { 200: answer("The keys"), ...problems(...PROBLEMS) },
});
const rotateRoute = createRoute({
  ...common,
  method: "post",
  path: "/v1/sealing-keys",
  summary: "Make another HPKE key",
  description:
    "It answers when the new key is attested and listed first. The ones before it open requests until their overlap ends.",
  request: { body: { content: { "application/json": { schema: rotationSchema } } } },
  responses: {
    200: answer("The keys, the new one first"),
    ...problems(...PROBLEMS, "request_invalid", "vault_sealing_keys_limit"),
  },
});

export function sealingKeys(app: App, services: Services, authenticator: Authenticator): void {
  const middleware = authenticator.requires("admin");
  const { vaultAdministration } = services;

  app.openapi({ ...listRoute, middleware }, async (c) =>
    c.json({ keys: (await vaultAdministration.sealingKeys(c.var.account)).map(toJson) }, 200, {
      "cache-control": "no-store",
    }),
  );

  app.openAPIRegistry.registerPath(rotateRoute);
  app.post("/v1/sealing-keys", middleware, async (c) => {
    const { endOlder } = await readJson(c, rotationSchema);
    const keys = await vaultAdministration.rotate(c.var.account, endOlder);
    const { epoch } = keys[0]!;
    services.log.info(
      { traceId: c.var.traceId, by: c.var.account.keyId, epoch, endOlder },
      "sealing key rotated",
    );
    return c.json({ keys: keys.map(toJson) }, 200, { "cache-control": "no-store" });
  });
}

function toJson({ epoch, publicKey, madeAtMs, endsAtMs }: SealingKeyInfo) {
  return {
    epoch,
    publicKey: toHex(publicKey),
    madeAt: new Date(Number(madeAtMs)).toISOString(),
    endsAt: endsAtMs === null ? null : new Date(Number(endsAtMs)).toISOString(),
  };
}
