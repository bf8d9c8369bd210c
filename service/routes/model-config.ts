/** Triton's model configuration extension: its clients read it, for the shapes and the batch size. */
import { createRoute, z } from "@hono/zod-openapi";
import type { Datatype } from "../../receipts/index.ts";
import type { TensorSpec } from "../../models/client.ts";
import type { App } from "../middleware/env.ts";
import type { Services } from "../services.ts";
import { findModel } from "./model-lookup.ts";
import { modelParams, modelVersionParams, problems } from "./schemas.ts";

const tensor = z.object({ name: z.string(), data_type: z.string(), dims: z.array(z.int()) });
const responses = {
  200: {
    description: "Names, datatypes and shapes as Triton's configuration spells them",
    content: {
      "application/json": {
        schema: z.object({
          name: z.string(),
          platform: z.string(),
          backend: z.string(),
          max_batch_size: z
            .literal(0)
            .openapi({ description: "Shapes are given whole, with their batch dimension" }),
          input: z.array(tensor),
          output: z.array(tensor),
        }),
      },
    },
  },
  ...problems("model_not_found"),
};
const summary = "Model configuration";
const tags = ["Open Inference"];
const route = createRoute({
  method: "get",
  path: "/v2/models/{name}/config",
  tags,
  summary,
  request: { params: modelParams },
  responses,
});
const versionRoute = createRoute({
  method: "get",
  path: "/v2/models/{name}/versions/{version}/config",
  tags,
  summary,
  request: { params: modelVersionParams },
  responses,
});

export function modelConfig(app: App, { models }: Services): void {
  app.openapi(route, (c) => c.json(describe(c.req.valid("param").name), 200));
  app.openapi(versionRoute, (c) => {
    const { name, version } = c.req.valid("param");
    return c.json(describe(name, version), 200);
  });

  function describe(name: string, version?: string) {
    const { manifest } = findModel(models, name, version);
    return {
      name,
      platform: "onnxruntime_onnx",
      backend: "onnxruntime",
      max_batch_size: 0 as const,
      input: manifest.inputs.map(describeTensor),
      output: manifest.outputs.map(describeTensor),
    };
  }
}

function describeTensor({ name, datatype, shape }: TensorSpec) {
  return { name, data_type: tritonType(datatype), dims: shape };
}

function tritonType(datatype: Datatype): string {
  return datatype === "BYTES" ? "TYPE_STRING" : `TYPE_${datatype}`;
}
