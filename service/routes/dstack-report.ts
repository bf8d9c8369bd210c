import { findModel } from "./model-lookup.ts";
import { createRoute, z } from "@hono/zod-openapi";
import { fromHex } from "../../codec/index.ts";
import { withDeadline } from "../middleware/deadline.ts";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App } from "../middleware/env.ts";
import { refuseInvalid } from "../middleware/failure.ts";
import { ServiceError } from "../problem.ts";
import type { Services, SignerReport } from "../services.ts";
import { withForeignErrors } from "./foreign-error.ts";
import { hex32, problems } from "./schemas.ts";

export const signingAlgorithm = z.enum(["ecdsa", "ed25519"]).default("ecdsa");
const query = z.object({
  model: z.string().max(256).optional(),
  nonce: hex32.optional().openapi({ description: "Drawn by the service where you give none" }),
  signing_algo: signingAlgorithm,
  signing_address: z
    .string()
    .regex(/^(0x)?[0-9a-fA-F]{40,64}$/, "an address or a key in hex")
    .optional(),
});
const entry = {
  signing_address: z.string(),
  signing_algo: z.string(),
  request_nonce: z.string(),
  intel_quote: z.string(),
  simulated: z.boolean(),
};
const route = createRoute({
  method: "get",
  path: "/v1/attestation/report",
  tags: ["Other formats"],
  summary: "Evidence over a signing key, as dstack, NEAR AI and RedPill lay it out",
  description:
    "The quote's report data is the key's address (or the Ed25519 key), zero-padded to 32 bytes, and the nonce.",
  request: { query },
  responses: {
    200: {
      description: "One signer's report; the lists hold the same",
      content: { "application/json": { schema: z.looseObject(entry).openapi("SignerReport") } },
    },
    ...problems(
      "request_invalid",
      "model_not_found",
      "receipt_form_unavailable",
      "session_unavailable",
      "vault_quote_rate_limited",
    ),
  },
});

export function dstackReport(app: App, services: Services, authenticator: Authenticator): void {
  app.openAPIRegistry.registerPath(route);
  app.get(route.getRoutingPath(), (c) =>
    withForeignErrors(c, async () => {
      const result = query.safeParse(c.req.query());
      refuseInvalid({ ...result, target: "query" });
      const { model, nonce: given, signing_algo, signing_address } = result.data!;
      if (model !== undefined) findModel(services.models, { name: model }, await authenticator.tenant(c));
      const nonce = given === undefined ? services.randomBytes(32) : fromHex(given, 32);
      const report = await withDeadline(c, services.limits.requestTimeoutMs, () =>
        services.attestation.signerReport(signing_algo, nonce),
      );
      if (signing_address !== undefined && !isSigner(report, signing_address))
        throw new ServiceError("receipt_form_unavailable", "this service does not sign by that address");
      const named = { ...(model !== undefined && { model_name: model }), ...report };
      const answer = { ...named, all_attestations: [named], model_attestations: [named] };
      return Response.json(answer, { headers: { "cache-control": "no-store" } });
    }),
  );
}

function digits(address: string): string {
  return address.toLowerCase().replace(/^0x/, "");
}

function isSigner(report: SignerReport, address: string): boolean {
  return digits(report.signing_address) === digits(address);
}
