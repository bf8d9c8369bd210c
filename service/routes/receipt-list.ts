import { createRoute, z } from "@hono/zod-openapi";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App } from "../middleware/env.ts";
import type { Services } from "../services.ts";
import { KEY_SECURITY, problems } from "./schemas.ts";

const MOST = 500;

const query = z.object({
  before: z
    .string()
    .regex(/^(0|[1-9][0-9]{0,17})$/, "a leaf index")
    .optional()
    .openapi({ description: "Only statements below this leaf: the last one's of the page before" }),
  limit: z
    .string()
    .regex(/^[1-9][0-9]{0,2}$/, "a number")
    .default(String(MOST))
    .openapi({ description: `At most ${MOST}` }),
});
const entry = z.object({
  receiptId: z.string(),
  type: z.string(),
  leafIndex: z.string().openapi({ description: "Decimal" }),
  issuedAtMs: z.string().openapi({ description: "Unix milliseconds, decimal" }),
});
const route = createRoute({
  method: "get",
  path: "/v1/receipts",
  tags: ["Receipts"],
  summary: "The account's receipts, the newest first",
  security: KEY_SECURITY,
  request: { query },
  responses: {
    200: {
      description: "A page; one shorter than asked for is the last",
      content: { "application/json": { schema: z.object({ receipts: z.array(entry) }) } },
    },
    ...problems("unauthenticated", "api_key_invalid", "scope_missing", "request_invalid"),
  },
});

export function receiptList(app: App, services: Services, authenticator: Authenticator): void {
  app.openapi({ ...route, middleware: authenticator.requires("infer") }, async (c) => {
    const { before, limit } = c.req.valid("query");
    const rows = await services.receipts.list(c.var.account, {
      before: before === undefined ? undefined : BigInt(before),
      limit: Math.min(Number(limit), MOST),
    });
    const receipts = rows.map(({ leafIndex, issuedAtMs, ...rest }) => ({
      ...rest,
      leafIndex: leafIndex.toString(),
      issuedAtMs: issuedAtMs.toString(),
    }));
    return c.json({ receipts }, 200, { "cache-control": "private, no-store" });
  });
}
