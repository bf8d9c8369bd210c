import { createRoute, z } from "@hono/zod-openapi";
import type { App } from "../middleware/env.ts";
import { ServiceError } from "../problem.ts";
import type { Services } from "../services.ts";
import { problems } from "./schemas.ts";

const hex = (bytes: number) => z.string().openapi({ description: `${bytes} bytes in hex` });
const route = createRoute({
  method: "get",
  path: "/v1/chain",
  tags: ["Contracts"],
  summary: "How a contract asks this service",
  description:
    "The coordinator whose requests are answered, whom they name as their operator, and what they pay at least.",
  responses: {
    200: {
      description: "Coordinator and terms",
      content: {
        "application/json": {
          schema: z
            .object({
              chainId: z.int(),
              coordinator: hex(20),
              receiptVerifier: hex(20),
              operator: hex(20).openapi({ description: "The chain key's account" }),
              confirmations: z.int().openapi({ description: "Blocks above a block before it counts" }),
              maxCallbackGas: z.int(),
              maxBond: z.string().openapi({
                description: "Decimal, in wei: the highest bond of a panel that is voted on",
              }),
              prices: z.array(
                z.object({
                  token: hex(20).openapi({ description: "Zero for ether" }),
                  amount: z.string().openapi({ description: "Decimal, in the token's smallest unit" }),
                }),
              ),
              policies: z.object({ tee: hex(32), reexecution: hex(32) }),
            })
            .openapi("AnsweredContracts"),
        },
      },
    },
    ...problems("chain_not_answered"),
  },
});

export function chainRequests(app: App, services: Services): void {
  app.openapi(route, (c) => {
    if (!services.chain) throw new ServiceError("chain_not_answered");
    return c.json(services.chain.view, 200, { "cache-control": "no-store" });
  });
}
