import { createRoute, z } from "@hono/zod-openapi";
import { accepts } from "hono/accepts";
import { toHex0x } from "../../codec/index.ts";
import { formatTlogProof, MAX_TREE_SIZE, type LogProof } from "../../receipts/index.ts";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App } from "../middleware/env.ts";
import { ServiceError } from "../problem.ts";
import type { Services } from "../services.ts";
import { readerQuery, requireReader, waitForInclusion } from "./receipt.ts";
import { KEY_SECURITY, problems, receiptParams } from "./schemas.ts";

const query = readerQuery.extend({
  size: z
    .string()
    .regex(/^[1-9][0-9]{0,18}$/, "a tree size")
    .optional()
    .openapi({ description: "Size of a signed checkpoint; without it the first that covers the statement" }),
});
const proofSchema = z
  .object({
    formatVersion: z.literal(1),
    receiptId: z.string(),
    origin: z.string(),
    leafIndex: z.string().openapi({ description: "Decimal" }),
    proof: z.array(z.string()).openapi({ description: "Hashes from the leaf's sibling up" }),
    checkpoint: z.string().openapi({ description: "Signed note" }),
  })
  .openapi("Inclusion");

const route = createRoute({
  method: "get",
  path: "/v1/receipts/{id}/inclusion",
  tags: ["Receipts"],
  summary: "Where the statement is in the log, with the proof",
  description: "With `Accept: text/plain` as c2sp.org/tlog-proof@v1, else as JSON.",
  security: [...KEY_SECURITY, {}],
  request: { params: receiptParams, query },
  responses: {
    200: {
      description: "Inclusion proof under a signed checkpoint",
      content: {
        "application/json": { schema: proofSchema },
        "text/plain; charset=utf-8": { schema: z.string() },
      },
    },
    ...problems(
      "unauthenticated",
      "api_key_invalid",
      "receipt_not_found",
      "inclusion_pending",
      "link_expired",
      "request_invalid",
    ),
  },
});

export function receiptInclusion(app: App, services: Services, authenticator: Authenticator): void {
  app.openapi(route, async (c) => {
    const { id } = c.req.valid("param");
    const { token, wait, size } = c.req.valid("query");
    await requireReader(c, services, authenticator, { id, token });
    if (wait) await waitForInclusion(c, services, id);
    const found = await services.transparencyLog.inclusion(id, readSize(size));
    if (!found) throw new ServiceError("inclusion_pending", undefined, { headers: { "retry-after": "1" } });
    const supports = ["application/json", "text/plain"];
    const type = accepts(c, { header: "Accept", supports, default: "application/json" });
    const isText = type === "text/plain";
    return c.body(isText ? asText(found) : asJson(id, found), 200, {
      "content-type": isText ? "text/plain; charset=utf-8" : "application/json",
      "cache-control": "private, no-store",
      vary: "accept",
    }) as never;
  });
}

function readSize(size: string | undefined): bigint | undefined {
  if (size === undefined) return undefined;
  const value = BigInt(size);
  if (value > MAX_TREE_SIZE) throw new ServiceError("request_invalid", "query.size: above 2^63 - 1");
  return value;
}

function asText({ leafIndex, proof, checkpoint }: LogProof): string {
  return formatTlogProof({ extra: null, index: leafIndex, proof, checkpoint });
}

function asJson(receiptId: string, { origin, leafIndex, proof, checkpoint }: LogProof): string {
  return JSON.stringify({
    formatVersion: 1,
    receiptId,
    origin,
    leafIndex: leafIndex.toString(),
    proof: proof.map(toHex0x),
    checkpoint,
  });
}
