import { createRoute, z } from "@hono/zod-openapi";
import type { App } from "../middleware/env.ts";
import type { Services } from "../services.ts";

const route = createRoute({
  method: "get",
  path: "/v2",
  tags: ["Open Inference"],
  summary: "Server metadata",
  responses: {
    200: {
      description: "Name, version and protocol extensions",
      content: {
        "application/json": {
          schema: z.object({ name: z.string(), version: z.string(), extensions: z.array(z.string()) }),
        },
      },
    },
  },
});

export function serverMetadata(app: App, { version }: Services): void {
  const extensions = ["binary_tensor_data", "model_configuration", "model_repository"];
  app.openapi(route, (c) => c.json({ name: "affidavit", version, extensions }, 200));
}
