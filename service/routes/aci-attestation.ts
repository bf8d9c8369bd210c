import { createRoute, z } from "@hono/zod-openapi";
import { fromHex } from "../../codec/index.ts";
import { withDeadline } from "../middleware/deadline.ts";
import type { App } from "../middleware/env.ts";
import { refuseInvalid } from "../middleware/failure.ts";
import type { Services } from "../services.ts";
import { withForeignErrors } from "./foreign-error.ts";
import { problems } from "./schemas.ts";

const query = z.object({
  // One spelling alone: the statement that the quote binds holds the text.
  nonce: z
    .string()
    .regex(/^[0-9a-f]{64}$/, "64 lower-case hex digits")
    .optional(),
});
const route = createRoute({
  method: "get",
  path: "/v1/aci/attestation",
  tags: ["Other formats"],
  summary: "ACI v1 attestation report",
  request: { query },
  responses: {
    200: {
      description: "Keyset and evidence as aci/1 lays them out",
      content: {
        "application/json": {
          schema: z.looseObject({ api_version: z.literal("aci/1") }).openapi("AciReport"),
        },
      },
    },
    ...problems("request_invalid", "session_unavailable", "vault_quote_rate_limited", "evidence_unavailable"),
  },
});

export function aciAttestation(app: App, services: Services): void {
  app.openAPIRegistry.registerPath(route);
  app.get(route.getRoutingPath(), (c) =>
    withForeignErrors(c, async () => {
      const result = query.safeParse(c.req.query());
      refuseInvalid({ ...result, target: "query" });
      const nonce = result.data?.nonce;
      const report = await withDeadline(c, services.limits.requestTimeoutMs, () =>
        services.attestation.aciReport(nonce === undefined ? null : fromHex(nonce, 32)),
      );
      return Response.json(report, { headers: { "cache-control": "no-store" } });
    }),
  );
}
