import { createRoute, z } from "@hono/zod-openapi";
import { toHex0x } from "../../codec/index.ts";
import type { Deprecation } from "../deprecation.ts";
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
                deprecatedAt: z.iso.datetime().optional(),
                sunsetAt: z.iso.datetime().optional().openapi({ description: "Refused from then on" }),
              }),
            ),
            aliases: z
              .array(z.object({ name: z.string(), modelId: z.string() }))
              .openapi({ description: "Further names of models; where they point is the operator's word" }),
          }),
        },
      },
    },
    ...problems(),
  },
});

export function models(app: App, services: Services, authenticator: Authenticator): void {
  app.openapi(route, async (c) => {
    const tenantId = await authenticator.tenant(c);
    const list = services.models.list(tenantId).map((model) => ({
      name: model.manifest.name,
      version: model.manifest.version,
      title: model.manifest.title,
      modelId: toHex0x(model.modelId),
      ready: services.models.readiness(model).ready,
      manifest: model.manifestText,
      ...times(services.models.deprecation(model)),
    }));
    const aliases = services.models
      .aliases(tenantId)
      .map(({ name, modelId }) => ({ name, modelId: toHex0x(modelId) }));
    return c.json({ models: list, aliases }, 200);
  });
}

function times(deprecation: Deprecation | undefined): { deprecatedAt?: string; sunsetAt?: string } {
  if (!deprecation) return {};
  const { deprecatedAt, sunsetAt } = deprecation;
  return { deprecatedAt: deprecatedAt.toISOString(), ...(sunsetAt && { sunsetAt: sunsetAt.toISOString() }) };
}
