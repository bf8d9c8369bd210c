import { z } from "@hono/zod-openapi";
import { parseTilePath, ReceiptError, type TileId } from "../../receipts/index.ts";
import type { App } from "../middleware/env.ts";
import { ServiceError } from "../problem.ts";
import type { Services } from "../services.ts";
import { problems } from "./schemas.ts";

const PREFIX = "/log/";

/**
 * A tile of the log (c2sp.org/tlog-tiles). What a checkpoint covers never changes, so every answer may be kept for ever,
 * partial tiles too: their width is in their name. Entry bundles are sent as they are, since digests do not compress.
 */
export function logTile(app: App, services: Services): void {
  // The index has slashes in it, which the route's schema cannot say.
  app.openAPIRegistry.registerPath(documentation);
  app.get("/log/tile/:level/:index{.+}", async (c) => {
    const bytes = await services.transparencyLog.tile(readPath(c.req.path));
    if (bytes === undefined) throw new ServiceError("tile_not_found");
    return c.body(bytes as Uint8Array<ArrayBuffer>, 200, {
      "content-type": "application/octet-stream",
      "cache-control": "public, max-age=31536000, immutable",
    });
  });
}

/** Only the one spelling of a tile's path is a resource. */
function readPath(path: string): TileId {
  try {
    return parseTilePath(path.slice(PREFIX.length));
  } catch (error) {
    if (error instanceof ReceiptError) throw new ServiceError("tile_not_found");
    throw error;
  }
}

const documentation = {
  method: "get" as const,
  path: "/log/tile/{level}/{index}",
  tags: ["Log"],
  summary: "A tile of hashes, or a bundle of entries",
  request: {
    params: z.object({
      level: z.string().openapi({ description: "0 to 63, or entries", example: "0" }),
      index: z.string().openapi({
        description: "Groups of three digits, all but the last after an x; .p/ and a width where partial",
        example: "x001/x234/067.p/8",
      }),
    }),
  },
  responses: {
    200: {
      description: "Up to 256 hashes of 32 bytes; of entries, each a big-endian u16 length and its bytes",
      content: { "application/octet-stream": { schema: z.string().openapi({ format: "binary" }) } },
    },
    ...problems("tile_not_found"),
  },
};
