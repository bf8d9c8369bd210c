/** What changes an account: asked for here, carried out by workers, looked up by its id. */
import { createRoute, z } from "@hono/zod-openapi";
import { toHex0x } from "../../codec/index.ts";
import { wishSchema } from "../ledger/index.ts";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App } from "../middleware/env.ts";
import { refuseInvalid } from "../middleware/failure.ts";
import { readJson } from "../middleware/json-body.ts";
import { sealable } from "../middleware/sealable.ts";
import type { LedgerOperationView, Services } from "../services.ts";
import { ACCOUNT_PROBLEMS, accountParams, NO_STORE, readAccount } from "./ledger-accounts.ts";
import { KEY_SECURITY, problems } from "./schemas.ts";

/** A proven amount in base64, and what signs it. */
const MAX_BYTES = 128 * 1024;

const operationSchema = z
  .object({
    id: z.uuid(),
    account: z.string(),
    operation: z.string(),
    state: z.enum(["waiting", "done", "refused", "failed"]),
    code: z.string().nullable().openapi({ description: "Why it was refused or failed" }),
    sequence: z.string().nullable().openapi({ description: "Of the entry that it made" }),
    sufficient: z.boolean().nullable().openapi({
      description: "Of a debit: whether the balance covered it. Where not, nothing was taken.",
    }),
    createdAt: z.string(),
    endedAt: z.string().nullable(),
  })
  .openapi("LedgerOperationState");
const content = { "application/json": { schema: operationSchema } };

const askRoute = createRoute({
  method: "post",
  path: "/v1/accounts/{id}/operations",
  tags: ["Balances"],
  summary: "Credit, deposit, debit, transfer, freeze",
  description:
    "Takes what the owner or the operator signed (docs/spec/balances.md). It is carried out in the background, in seconds; those of one account one after the other.",
  security: KEY_SECURITY,
  request: {
    params: accountParams,
    body: { required: true, content: { "application/json": { schema: wishSchema } } },
  },
  responses: {
    202: { description: "It waits for a worker", content },
    ...problems(
      ...ACCOUNT_PROBLEMS,
      "ledger_signature_invalid",
      "ledger_request_invalid",
      "ledger_request_expired",
      "ledger_operation_limit",
      "jobs_closed",
    ),
  },
});
const showRoute = createRoute({
  method: "get",
  path: "/v1/accounts/{id}/operations/{operation}",
  tags: ["Balances"],
  summary: "How an operation stands",
  security: KEY_SECURITY,
  request: { params: accountParams.extend({ operation: z.uuid() }) },
  responses: {
    200: { description: "The operation", content },
    ...problems(...ACCOUNT_PROBLEMS, "ledger_operation_not_found"),
  },
});

export function ledgerOperations(app: App, services: Services, authenticator: Authenticator): void {
  const key = authenticator.requires("infer");
  app.openAPIRegistry.registerPath(askRoute);
  app.post(askRoute.getRoutingPath(), key, sealable(services), async (c) => {
    const wish = await readJson(c, wishSchema, MAX_BYTES);
    const operation = await services.ledger().ask(c.var.account, readAccount(c), wish);
    return c.json(operationToJson(operation), 202, NO_STORE);
  });
  app.openAPIRegistry.registerPath(showRoute);
  app.get(showRoute.getRoutingPath(), key, async (c) => {
    const id = z.uuid().safeParse(c.req.param("operation"));
    refuseInvalid({ ...id, target: "param" });
    const operation = await services.ledger().operation(c.var.account, readAccount(c), id.data!);
    return c.json(operationToJson(operation), 200, NO_STORE);
  });
}

function operationToJson(row: LedgerOperationView) {
  return {
    id: row.id,
    account: toHex0x(row.account),
    operation: row.operation,
    state: row.state,
    code: row.code,
    sequence: row.sequence?.toString() ?? null,
    sufficient: row.sufficient,
    createdAt: row.createdAt.toISOString(),
    endedAt: row.endedAt?.toISOString() ?? null,
  };
}
