import { createRoute, z } from "@hono/zod-openapi";
import { encodeKeyConfig } from "../../sealing/index.ts";
import type { App } from "../middleware/env.ts";
import { ServiceError } from "../problem.ts";
import type { Services } from "../services.ts";
import { problems } from "./schemas.ts";

const octets = z.string().openapi({ format: "binary" });
const route = createRoute({
  method: "get",
  path: "/.well-known/hpke-keys",
  tags: ["Sealed requests"],
  summary: "The HPKE key that EHBP clients seal to",
  description:
    "One key configuration (RFC 9458 section 3.1). It is as trustworthy as the connection: who must know takes the key from the attested keyset, where it is `e2ee_public_keys`.",
  responses: {
    200: { description: "The configuration", content: { "application/ohttp-keys": { schema: octets } } },
    ...problems("session_unavailable"),
  },
});

export function hpkeKeys(app: App, services: Services): void {
  app.openapi(route, (c) => {
    const [key] = services.sealing.keys();
    if (!key) throw new ServiceError("session_unavailable");
    return c.body(encodeKeyConfig(key) as Uint8Array<ArrayBuffer>, 200, {
      "content-type": "application/ohttp-keys",
      "cache-control": "public, max-age=60",
    }) as never;
  });
}
