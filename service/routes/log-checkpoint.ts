import { createRoute, z } from "@hono/zod-openapi";
import type { App } from "../middleware/env.ts";
import { ServiceError } from "../problem.ts";
import type { Services } from "../services.ts";
import { problems } from "./schemas.ts";

const route = createRoute({
  method: "get",
  path: "/log/checkpoint",
  tags: ["Log"],
  summary: "The newest signed checkpoint",
  description: "c2sp.org/tlog-tiles: the log's prefix is /log, its key is in the keyset.",
  responses: {
    200: {
      description: "Signed note (c2sp.org/tlog-checkpoint), with the cosignatures of log witnesses",
      content: { "text/plain; charset=utf-8": { schema: z.string() } },
    },
    ...problems("checkpoint_not_found"),
  },
});

export function logCheckpoint(app: App, services: Services): void {
  app.openapi(route, async (c) => {
    const note = await services.transparencyLog.checkpoint();
    if (note === undefined) throw new ServiceError("checkpoint_not_found");
    return c.body(note, 200, {
      "content-type": "text/plain; charset=utf-8",
      "cache-control": "no-store",
    }) as never;
  });
}
