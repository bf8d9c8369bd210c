/** Triton's model configuration extension: its clients read it, for the shapes and the batch size. */
import { createRoute, z } from "@hono/zod-openapi";
import type { Datatype } from "../../receipts/index.ts";
import type { TensorSpec } from "../../models/client.ts";
import type { Authenticator } from "../middleware/authenticate.ts";
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

export function modelConfig(app: App, { models }: Services, authenticator: Authenticator): void {
  for (const each of [route, versionRoute]) {
    app.openapi(each, async (c) =>
      c.json(describe(c.req.valid("param"), await authenticator.tenant(c)), 200),
    );
  }

  function describe(named: { name: string; version?: string }, tenantId: string | undefined) {
    const { name } = named;
    const { manifest } = findModel(models, named, tenantId);
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
