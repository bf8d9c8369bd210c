import { createRoute, z } from "@hono/zod-openapi";
import { fromHex } from "../../codec/index.ts";
import { withDeadline } from "../middleware/deadline.ts";
import type { App } from "../middleware/env.ts";
import { refuseInvalid } from "../middleware/failure.ts";
import type { Services } from "../services.ts";
import { hex32, problems } from "./schemas.ts";

const signedNote = z.string().openapi({ description: "Signed note (c2sp.org/signed-note)" });
const route = createRoute({
  method: "get",
  path: "/v1/attestation",
  tags: ["Receipts"],
  summary: "Evidence, endorsements and keyset",
  description:
    "With a nonce of your own the evidence is made for you and shows freshness; without, it is the evidence that the logged Keyset statement names.",
  request: { query: z.object({ nonce: hex32.optional() }) },
  responses: {
    200: {
      description:
        "What a verifier needs to trust the receipt key; nothing in it is to be believed unchecked",
      content: {
        "application/json": {
          schema: z
            .object({
              evidence: z
                .object({
                  type: z.string(),
                  quote: z.string(),
                  nonce: z.string().nullable(),
                  gpu: z
                    .object({ type: z.string(), quote: z.string() })
                    .optional()
                    .openapi({ description: "NVIDIA's evidence list, over the keyset's GPU nonce" }),
                  measuredModels: z
                    .object({ register: z.number(), before: z.string(), modelIds: z.array(z.string()) })
                    .optional()
                    .openapi({ description: "Models whose digests lead to the quote's RTMR3" }),
                })
                .loose(),
              endorsements: z.any(),
              keyset: z.string().openapi({ description: "Exact JCS text" }),
              keysetStatement: z.object({ statement: z.record(z.string(), z.any()), signature: z.string() }),
              keysetLog: z
                .object({
                  origin: z.string(),
                  leafIndex: z.string(),
                  proof: z.array(z.string()),
                  checkpoint: signedNote,
                })
                .loose(),
            })
            .loose()
            .openapi("Attestation"),
        },
      },
    },
    ...problems(
      "request_invalid",
      "vault_quote_rate_limited",
      "evidence_unavailable",
      "vault_keyset_missing",
    ),
  },
});

export function attestation(app: App, services: Services): void {
  app.openAPIRegistry.registerPath(route);
  const query = route.request.query;
  app.get(route.getRoutingPath(), async (c) => {
    const result = query.safeParse(c.req.query());
    refuseInvalid({ ...result, target: "query" });
    const nonce = result.data?.nonce;
    const document = await withDeadline(c, services.limits.requestTimeoutMs, () =>
      services.attestation.document(nonce === undefined ? null : fromHex(nonce, 32)),
    );
    return new Response(JSON.stringify(document), {
      headers: { "content-type": "application/json", "cache-control": "no-store" },
    });
  });
}
