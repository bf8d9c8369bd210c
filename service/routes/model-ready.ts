import { createRoute, z } from "@hono/zod-openapi";
import { ModelError } from "../../models/client.ts";
import { refuseSunset } from "../deprecation.ts";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App } from "../middleware/env.ts";
import type { Services } from "../services.ts";
import { findModel } from "./model-lookup.ts";
import { modelParams, modelVersionParams, problems } from "./schemas.ts";

const responses = {
  200: {
    description: "The model can run",
    content: { "application/json": { schema: z.object({ name: z.string(), ready: z.literal(true) }) } },
  },
  ...problems("model_not_found", "model_sunset", "model_unavailable"),
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

export function modelReady(app: App, { models, nowMs }: Services, authenticator: Authenticator): void {
  for (const each of [route, versionRoute]) {
    app.openapi(each, async (c) => c.json(check(c.req.valid("param"), await authenticator.tenant(c)), 200));
  }

  function check(named: { name: string; version?: string }, tenantId: string | undefined) {
    const { name } = named;
    const model = findModel(models, named, tenantId);
    refuseSunset(models.deprecation(model), nowMs());
    const { ready, reason } = models.readiness(model);
    if (!ready) throw new ModelError("model_unavailable", reason ?? "the model cannot run right now");
    return { name, ready: true as const };
  }
}
