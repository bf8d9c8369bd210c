/** What an audit of an account of encrypted balances takes: its entries, and the vault's check of one. */
import { createRoute, z } from "@hono/zod-openapi";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App } from "../middleware/env.ts";
import { refuseInvalid } from "../middleware/failure.ts";
import type { Services } from "../services.ts";
import { ACCOUNT_PROBLEMS, accountParams, NO_STORE, readAccount } from "./ledger-accounts.ts";
import { KEY_SECURITY, problems } from "./schemas.ts";

const listRoute = createRoute({
  method: "get",
  path: "/v1/accounts/{id}/entries",
  tags: ["Balances"],
  summary: "An account's entries, as an audit takes them",
  description:
    "At most 64, those that a checkpoint covers, from after the sequence `after`; with what was opened of each.",
  security: KEY_SECURITY,
  request: {
    params: accountParams,
    query: z.object({
      after: z
        .string()
        .regex(/^(0|[1-9][0-9]{0,17})$/)
        .default("0"),
    }),
  },
  responses: {
    200: {
      description: "docs/spec/balances.md, Audit",
      content: {
        "application/json": {
          schema: z.looseObject({ formatVersion: z.literal(1) }).openapi("LedgerEntries"),
        },
      },
    },
    ...problems(...ACCOUNT_PROBLEMS),
  },
});
const entryParams = accountParams.extend({ sequence: z.string().regex(/^[1-9][0-9]{0,17}$/) });
const checkRoute = createRoute({
  method: "post",
  path: "/v1/accounts/{id}/entries/{sequence}/check",
  tags: ["Balances"],
  summary: "Let the vault say whether an entry adds up",
  description:
    "For an auditor whose machine computes other bytes. The vault decrypts the ciphertexts that the entry names once more, and the log says what it found: one `Opening` an entry, the same whenever it is asked for.",
  security: KEY_SECURITY,
  request: { params: entryParams },
  responses: {
    200: {
      description: "What the vault found, and the receipt of its `Opening`",
      content: {
        "application/json": {
          schema: z.object({ consistent: z.boolean(), receiptId: z.string() }).openapi("LedgerCheck"),
        },
      },
    },
    ...problems(
      ...ACCOUNT_PROBLEMS,
      "ledger_entry_unknown",
      "vault_opening_rate_limited",
      "session_unavailable",
    ),
  },
});

export function ledgerEntries(app: App, services: Services, authenticator: Authenticator): void {
  const key = authenticator.requires("infer");
  app.openAPIRegistry.registerPath(listRoute);
  app.get(listRoute.getRoutingPath(), key, async (c) => {
    const query = listRoute.request.query.safeParse(c.req.query());
    refuseInvalid({ ...query, target: "query" });
    const body = await services.ledger().entries(c.var.account, readAccount(c), BigInt(query.data!.after));
    return c.body(body, 200, { "content-type": "application/json", ...NO_STORE });
  });
  app.openAPIRegistry.registerPath(checkRoute);
  app.post(checkRoute.getRoutingPath(), key, async (c) => {
    const params = entryParams.shape.sequence.safeParse(c.req.param("sequence"));
    refuseInvalid({ ...params, target: "param" });
    const checked = await services.lifecycle.during(() =>
      services.ledger().check(c.var.account, readAccount(c), BigInt(params.data!)),
    );
    return c.json(checked, 200, NO_STORE);
  });
}
