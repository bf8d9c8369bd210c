import { createRoute, z } from "@hono/zod-openapi";
import { fromHex } from "../../codec/index.ts";
import type { App } from "../middleware/env.ts";
import { ServiceError } from "../problem.ts";
import type { Services } from "../services.ts";
import { problems } from "./schemas.ts";

export const chainRequestParams = z.object({
  requestId: z
    .string()
    .regex(/^0x[0-9a-f]{64}$/i, "0x and 64 hex digits")
    .openapi({ param: { name: "requestId", in: "path" }, description: "As the coordinator numbers it" }),
});

const route = createRoute({
  method: "get",
  path: "/v1/chain/requests/{requestId}",
  tags: ["Contracts"],
  summary: "How a contract's request stands",
  description:
    "What the newest block says of it, and what this service makes of it once it is deep enough. It says nothing of input and output.",
  request: { params: chainRequestParams },
  responses: {
    200: {
      description: "The request",
      content: {
        "application/json": {
          schema: z
            .object({
              requestId: z.string(),
              onChain: z.enum(["none", "open", "delivered", "refunded"]),
              state: z.enum(["unseen", "open", "delivered", "refunded", "declined"]).openapi({
                description: "`unseen`: not deep enough yet, or another operator's",
              }),
              code: z.string().nullable().openapi({
                description: "What it waits for, why it was declined, or why the last try failed",
              }),
              opened: z.boolean().openapi({ description: "Whether an opening is kept" }),
              receiptId: z
                .string()
                .nullable()
                .openapi({ description: "The answer's statement digest, once it is in the log" }),
              transaction: z
                .string()
                .nullable()
                .openapi({ description: "The newest transaction about it that is not deep enough yet" }),
              deadlineSeconds: z.int().nullable(),
            })
            .openapi("ContractsRequest"),
        },
      },
    },
    ...problems("request_invalid", "chain_not_answered", "chain_request_not_found", "chain_unavailable"),
  },
});

export function chainRequest(app: App, { chain }: Services): void {
  app.openapi(route, async (c) => {
    if (!chain) throw new ServiceError("chain_not_answered");
    const { requestId } = c.req.valid("param");
    const view = await chain.request(fromHex(requestId.slice(2).toLowerCase(), 32));
    return c.json(view, 200, { "cache-control": "no-store" });
  });
}
