import { createRoute, z } from "@hono/zod-openapi";
import { ModelError } from "../../models/client.ts";
import type { App } from "../middleware/env.ts";
import type { Services } from "../services.ts";
import { findModel } from "./model-lookup.ts";
import { modelParams, modelVersionParams, problems } from "./schemas.ts";

const responses = {
  200: {
    description: "The model can run",
    content: { "application/json": { schema: z.object({ name: z.string(), ready: z.literal(true) }) } },
  },
  ...problems("model_not_found", "model_unavailable"),
};
const summary = "Model ready";
const tags = ["Open Inference"];
const route = createRoute({
  method: "get",
  path: "/v2/models/{name}/ready",
  tags,
  summary,
  request: { params: modelParams },
  responses,
});
const versionRoute = createRoute({
  method: "get",
  path: "/v2/models/{name}/versions/{version}/ready",
  tags,
  summary,
  request: { params: modelVersionParams },
  responses,
});

export function modelReady(app: App, { models }: Services): void {
  app.openapi(route, (c) => c.json(check(c.req.valid("param").name), 200));
  app.openapi(versionRoute, (c) => {
    const { name, version } = c.req.valid("param");
    return c.json(check(name, version), 200);
  });

  function check(name: string, version?: string) {
    const { ready, reason } = models.readiness(findModel(models, name, version));
    if (!ready) throw new ModelError("model_unavailable", reason ?? "the model cannot run right now");
    return { name, ready: true as const };
  }
}
