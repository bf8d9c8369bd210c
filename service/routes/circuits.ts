import { createRoute, z } from "@hono/zod-openapi";
import type { App } from "../middleware/env.ts";
import type { Services } from "../services.ts";
import { problems } from "./schemas.ts";

const digest = z.string().openapi({ description: "32 bytes in hex" });
const route = createRoute({
  method: "get",
  path: "/v1/circuits",
  tags: ["Models"],
  summary: "The circuits in use, and the enclave's word on whose they are",
  description:
    "Of each model that everybody may use and that has one. A contract takes the statement for the circuit's registration, and the policy's digest for a request that wants a proof.",
  responses: {
    200: {
      description: "`/v1/documents/{documentDigest}` is the binding that the model's owner signed",
      content: {
        "application/json": {
          schema: z
            .object({
              circuits: z.array(
                z.object({
                  modelId: digest,
                  circuitId: digest,
                  policyDigest: digest,
                  documentDigest: digest,
                  statement: z.string().openapi({ description: "Header form of a CircuitBinding" }),
                  keysetDigest: digest,
                }),
              ),
            })
            .openapi("Circuits"),
        },
      },
    },
    ...problems(),
  },
});

export function circuits(app: App, services: Services): void {
  app.openapi(route, async (c) =>
    c.json({ circuits: await services.assurances.circuits() }, 200, { "cache-control": "no-store" }),
  );
}
