import { createRoute, z } from "@hono/zod-openapi";
import { toHex0x } from "../../codec/index.ts";
import type { TensorSpec } from "../../models/client.ts";
import { deprecationHeaders } from "../deprecation.ts";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App } from "../middleware/env.ts";
import type { ModelView, Services } from "../services.ts";
import { findModel } from "./model-lookup.ts";
import { modelParams, modelVersionParams, problems } from "./schemas.ts";

const tensor = z.object({ name: z.string(), datatype: z.string(), shape: z.array(z.int()) });
const responses = {
  200: {
    description: "The model's tensors; -1 marks a dimension that the caller chooses",
    content: {
      "application/json": {
        schema: z.object({
          name: z.string(),
          versions: z.array(z.string()),
          platform: z.string(),
          inputs: z.array(tensor),
          outputs: z.array(tensor),
          parameters: z.object({ model_id: z.string(), title: z.string(), licence: z.string() }),
        }),
      },
    },
  },
  ...problems("model_not_found"),
};
const summary = "Model metadata";
const tags = ["Open Inference"];
const route = createRoute({
  method: "get",
  path: "/v2/models/{name}",
  tags,
  summary,
  request: { params: modelParams },
  responses,
});
const versionRoute = createRoute({
  method: "get",
  path: "/v2/models/{name}/versions/{version}",
  tags,
  summary,
  request: { params: modelVersionParams },
  responses,
});

export function modelMetadata(app: App, { models }: Services, authenticator: Authenticator): void {
  for (const each of [route, versionRoute]) {
    app.openapi(each, async (c) => {
      const tenantId = await authenticator.tenant(c);
      const model = findModel(models, c.req.valid("param"), tenantId);
      return c.json(describe(model, tenantId), 200, deprecationHeaders(models.deprecation(model)));
    });
  }

  function describe({ manifest, modelId }: ModelView, tenantId: string | undefined) {
    const { name } = manifest;
    const versions = models.list(tenantId).filter((model) => model.manifest.name === name);
    return {
      name,
      versions: versions.map((model) => model.manifest.version),
      platform: "onnxruntime_onnx",
      inputs: manifest.inputs.map(describeTensor),
      outputs: manifest.outputs.map(describeTensor),
      parameters: { model_id: toHex0x(modelId), title: manifest.title, licence: manifest.licence },
    };
  }
}

function describeTensor({ name, datatype, shape }: TensorSpec) {
  return { name, datatype, shape };
}
