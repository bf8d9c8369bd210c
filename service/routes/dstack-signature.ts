import { createRoute, z } from "@hono/zod-openapi";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App } from "../middleware/env.ts";
import { refuseInvalid } from "../middleware/failure.ts";
import type { Services } from "../services.ts";
import { signingAlgorithm } from "./dstack-report.ts";
import { withForeignErrors } from "./foreign-error.ts";
import { requireOwner } from "./receipt.ts";
import { KEY_SECURITY, problems, receiptParams } from "./schemas.ts";

const query = z.object({ model: z.string().max(256).optional(), signing_algo: signingAlgorithm });
const route = createRoute({
  method: "get",
  path: "/v1/signature/{id}",
  tags: ["Other formats"],
  summary: "Signature over request and response, as dstack, NEAR AI and RedPill lay it out",
  description:
    "For the account that made the request alone. `ecdsa` signs the text as an EIP-191 personal message by the receipt key.",
  security: KEY_SECURITY,
  request: { params: receiptParams, query },
  responses: {
    200: {
      description: "`text` is sha256hex(request):sha256hex(response)",
      content: {
        "application/json": {
          schema: z
            .object({
              text: z.string(),
              signature: z.string(),
              signing_address: z.string(),
              signing_algo: z.string(),
            })
            .openapi("DstackSignature"),
        },
      },
    },
    ...problems(
      "unauthenticated",
      "api_key_invalid",
      "scope_missing",
      "receipt_not_found",
      "receipt_form_unavailable",
      "request_invalid",
    ),
  },
});

export function dstackSignature(app: App, services: Services, authenticator: Authenticator): void {
  app.openAPIRegistry.registerPath(route);
  app.get(route.getRoutingPath(), (c) =>
    withForeignErrors(c, async () => {
      const id = c.req.param("id")!;
      const result = query.safeParse(c.req.query());
      refuseInvalid({ ...result, target: "query" });
      await requireOwner(c, services, authenticator, id);
      const signature = await services.receipts.forms.dstack(id, result.data!.signing_algo);
      return Response.json(signature, { headers: { "cache-control": "private, no-store" } });
    }),
  );
}
