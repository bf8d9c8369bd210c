import { createRoute, z } from "@hono/zod-openapi";
import { checkpointStatementToJson } from "../../receipts/index.ts";
import type { App } from "../middleware/env.ts";
import { ServiceError } from "../problem.ts";
import type { Services } from "../services.ts";
import { problems } from "./schemas.ts";

const route = createRoute({
  method: "get",
  path: "/v1/chain/checkpoint",
  tags: ["Log"],
  summary: "The newest checkpoint in the form for contracts",
  description:
    "An EIP-712 Checkpoint statement signed by the receipt key of its keyset: anyone may anchor it on a chain.",
  responses: {
    200: {
      description: "Statement and signature",
      content: {
        "application/json": {
          schema: z
            .object({
              formatVersion: z.literal(1),
              statement: z.object({
                origin: z.string(),
                size: z.string().openapi({ description: "Decimal" }),
                root: z.string(),
                keysetDigest: z.string(),
                timeMs: z.string().openapi({ description: "Decimal, Unix milliseconds" }),
              }),
              signature: z.string().openapi({ description: "r, s and v: 65 bytes in hex" }),
            })
            .openapi("CheckpointStatement"),
        },
      },
    },
    ...problems("checkpoint_not_found"),
  },
});

export function chainCheckpoint(app: App, services: Services): void {
  app.openAPIRegistry.registerPath(route);
  app.get(route.getRoutingPath(), async (c) => {
    const signed = await services.transparencyLog.checkpointStatement();
    if (signed === undefined) throw new ServiceError("checkpoint_not_found");
    return c.json(checkpointStatementToJson(signed), 200, { "cache-control": "no-store" });
  });
}
