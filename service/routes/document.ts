import { createRoute, z } from "@hono/zod-openapi";
import { fromHex } from "../../codec/index.ts";
import type { App } from "../middleware/env.ts";
import { ServiceError } from "../problem.ts";
import type { Services } from "../services.ts";
import { hex32, problems } from "./schemas.ts";

const route = createRoute({
  method: "get",
  path: "/v1/documents/{digest}",
  tags: ["Receipts"],
  summary: "A document that a statement names by its SHA-256",
  request: { params: z.object({ digest: hex32 }) },
  responses: {
    200: {
      description: "Exactly the bytes that were hashed",
      content: { "application/octet-stream": { schema: z.string().openapi({ format: "binary" }) } },
    },
    ...problems("request_invalid", "document_not_found"),
  },
});

export function document(app: App, services: Services): void {
  app.openapi(route, async (c) => {
    const found = await services.documents.get(fromHex(c.req.valid("param").digest, 32));
    if (found === undefined) throw new ServiceError("document_not_found");
    return c.body(found.body as Uint8Array<ArrayBuffer>, 200, {
      "content-type": found.mediaType,
      // The digest is the name: what it names never changes.
      "cache-control": "public, max-age=31536000, immutable",
    }) as never;
  });
}
