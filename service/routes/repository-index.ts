import { createRoute, z } from "@hono/zod-openapi";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App } from "../middleware/env.ts";
import { readJson } from "../middleware/json-body.ts";
import type { Services } from "../services.ts";
import { problems } from "./schemas.ts";

const bodySchema = z.object({ ready: z.boolean().optional() });

const route = createRoute({
  method: "post",
  path: "/v2/repository/index",
  tags: ["Open Inference"],
  summary: "All models with their state",
  request: { body: { required: false, content: { "application/json": { schema: bodySchema } } } },
  responses: {
    200: {
      description: "One entry a version",
      content: {
        "application/json": {
          schema: z.array(
            z.object({
              name: z.string(),
              version: z.string(),
              state: z.enum(["READY", "UNAVAILABLE"]),
              reason: z.string(),
            }),
          ),
        },
      },
    },
    ...problems("request_invalid", "request_body_too_large"),
  },
});

export function repositoryIndex(app: App, { models }: Services, authenticator: Authenticator): void {
  app.openAPIRegistry.registerPath(route);
  app.post(route.getRoutingPath(), async (c) => {
    const { ready: readyOnly } = await readJson(c, bodySchema);
    const entries = models.list(await authenticator.tenant(c)).map((model) => {
      const { ready, reason } = models.readiness(model);
      const { name, version } = model.manifest;
      return { name, version, state: ready ? "READY" : "UNAVAILABLE", reason: reason ?? "" };
    });
    return c.json(readyOnly === true ? entries.filter(({ state }) => state === "READY") : entries, 200);
  });
}
