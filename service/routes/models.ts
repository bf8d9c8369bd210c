import { createRoute, z } from "@hono/zod-openapi";
import { toHex0x } from "../../codec/index.ts";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App } from "../middleware/env.ts";
import type { Services } from "../services.ts";
import { problems } from "./schemas.ts";

const route = createRoute({
  method: "get",
  path: "/v1/models",
  tags: ["Models"],
  summary: "All models with their manifests",
  description: "With an API key also those that its tenant uploaded or was let in to.",
  responses: {
    200: {
      description: "SHA-256 of `manifest` is `modelId`, which statements name",
      content: {
        "application/json": {
          schema: z.object({
            models: z.array(
              z.object({
                name: z.string(),
                version: z.string(),
                title: z.string(),
                modelId: z.string(),
                ready: z.boolean(),
                manifest: z.string().openapi({ description: "Exact canonical text" }),
              }),
            ),
          }),
        },
      },
    },
    ...problems(),
  },
});

export function models(app: App, services: Services, authenticator: Authenticator): void {
  app.openapi(route, async (c) => {
    const list = services.models.list(await authenticator.tenant(c)).map((model) => ({
      name: model.manifest.name,
      version: model.manifest.version,
      title: model.manifest.title,
      modelId: toHex0x(model.modelId),
      ready: services.models.readiness(model).ready,
      manifest: model.manifestText,
    }));
    return c.json({ models: list }, 200);
  });
}
