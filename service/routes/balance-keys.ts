/** What everybody may have of encrypted balances: the FHE public keys, and ciphertexts by digest for an audit. */
import { createRoute, z } from "@hono/zod-openapi";
import { fromHex } from "../../codec/index.ts";
import { FHE_KEY_NAMES } from "../ledger/index.ts";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App } from "../middleware/env.ts";
import { refuseInvalid } from "../middleware/failure.ts";
import { ServiceError } from "../problem.ts";
import type { Services } from "../services.ts";
import { hex32, KEY_SECURITY, problems } from "./schemas.ts";

const binary = { "application/octet-stream": { schema: z.string().openapi({ format: "binary" }) } };
/** A digest is the name of what it names. */
const FOR_EVER = {
  "content-type": "application/octet-stream",
  "cache-control": "public, max-age=31536000, immutable",
};

const listRoute = createRoute({
  method: "get",
  path: "/v1/balances/keys",
  tags: ["Balances"],
  summary: "The FHE public keys by digest, and whose vouchers count",
  responses: {
    200: {
      description: "The keyset names the same digests, in this order",
      content: {
        "application/json": {
          schema: z
            .object({
              operator: z.string(),
              serverKeyDigest: z.string(),
              keys: z.array(z.object({ name: z.enum(FHE_KEY_NAMES), sha256: z.string() })),
            })
            .openapi("BalanceKeys"),
        },
      },
    },
    ...problems("balances_off"),
  },
});
const keyRoute = createRoute({
  method: "get",
  path: "/v1/balances/keys/{name}",
  tags: ["Balances"],
  summary: "An FHE public key: 30 MB, 33 KB or 3.4 MB",
  request: { params: z.object({ name: z.enum(FHE_KEY_NAMES) }) },
  responses: {
    200: { description: "tfhe `safe_serialize`", content: binary },
    ...problems("request_invalid", "balances_off"),
  },
});
const blobRoute = createRoute({
  method: "get",
  path: "/v1/balances/blobs/{digest}",
  tags: ["Balances"],
  summary: "A ciphertext or proven amount that an entry names",
  security: KEY_SECURITY,
  request: { params: z.object({ digest: hex32 }) },
  responses: {
    200: { description: "Exactly the bytes that were hashed", content: binary },
    ...problems(
      "unauthenticated",
      "api_key_invalid",
      "scope_missing",
      "request_invalid",
      "balances_off",
      "document_not_found",
    ),
  },
});

export function balanceKeys(app: App, services: Services, authenticator: Authenticator): void {
  app.openapi(listRoute, (c) => c.json(services.ledger().describe(), 200));
  app.openapi(keyRoute, async (c) => {
    const key = await services.ledger().key(c.req.valid("param").name);
    return c.body(key as Uint8Array<ArrayBuffer>, 200, {
      "content-type": "application/octet-stream",
      "cache-control": "no-cache",
    }) as never;
  });
  app.openAPIRegistry.registerPath(blobRoute);
  app.get(blobRoute.getRoutingPath(), authenticator.requires("infer"), async (c) => {
    const digest = hex32.safeParse(c.req.param("digest"));
    refuseInvalid({ ...digest, target: "param" });
    const blob = await services.ledger().blob(fromHex(digest.data!.replace(/^0x/, ""), 32));
    if (!blob) throw new ServiceError("document_not_found");
    return c.body(blob as Uint8Array<ArrayBuffer>, 200, FOR_EVER);
  });
}
