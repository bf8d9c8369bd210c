import { createRoute, z } from "@hono/zod-openapi";
import { equal, fromHex } from "../../codec/index.ts";
import { BOM_MEDIA_TYPE, modelBom, ModelError } from "../../models/client.ts";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App } from "../middleware/env.ts";
import type { Services } from "../services.ts";
import { hex32, problems } from "./schemas.ts";

const route = createRoute({
  method: "get",
  path: "/v1/models/{modelId}/bom",
  tags: ["Models"],
  summary: "A model as a CycloneDX bill of materials",
  description:
    "CycloneDX 1.6 (ML-BOM). It follows from the manifest alone: anybody can make it, and gets the same bytes.",
  request: { params: z.object({ modelId: hex32 }) },
  responses: {
    200: {
      description: "The bill, in canonical JSON",
      content: { [BOM_MEDIA_TYPE]: { schema: z.looseObject({ bomFormat: z.literal("CycloneDX") }) } },
    },
    ...problems("request_invalid", "model_not_found"),
  },
});

export function modelBomRoute(app: App, { models }: Services, authenticator: Authenticator): void {
  app.openapi(route, async (c) => {
    const wanted = fromHex(c.req.valid("param").modelId, 32);
    const tenantId = await authenticator.tenant(c);
    const found = models.list(tenantId).find(({ modelId }) => equal(modelId, wanted));
    if (!found) throw new ModelError("model_not_found", "no such model; GET /v1/models lists them");
    return c.body(modelBom(found.manifest), 200, { "content-type": BOM_MEDIA_TYPE }) as never;
  });
}
