/** Allowances: paid once from an encrypted balance, spent by inferences without a homomorphic operation. */
import { createRoute, z } from "@hono/zod-openapi";
import { fromBase64, fromHex, toHex0x } from "../../codec/index.ts";
import type { AllowanceView } from "../allowance-services.ts";
import { allowanceSchema, closingSchema, signedRequest } from "../ledger/index.ts";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App, AppContext } from "../middleware/env.ts";
import { refuseInvalid } from "../middleware/failure.ts";
import { readJson } from "../middleware/json-body.ts";
import { sealable } from "../middleware/sealable.ts";
import type { Services } from "../services.ts";
import { ACCOUNT_PROBLEMS, accountParams, NO_STORE, readAccount } from "./ledger-accounts.ts";
import { KEY_SECURITY, problems } from "./schemas.ts";

const allowanceParams = accountParams.extend({
  allowance: z
    .string()
    .regex(/^0x[0-9a-f]{64}$/, "an allowance's id: 0x and 64 hex digits")
    .openapi({ description: "Digest of the request that its owner signed" }),
});
const viewSchema = z
  .object({
    id: z.string(),
    account: z.string(),
    state: z.enum(["waiting", "refused", "open", "ended", "frozen", "closing", "refunded"]).openapi({
      description:
        "waiting for its debit; refused; open, to be spent; ended, closing or frozen: over, and its rest on the way, or held up by a missing record; refunded",
    }),
    code: z.string().nullable().openapi({ description: "Why it was refused or is frozen" }),
    vault: z.string().openapi({ description: "Receipt address of the vault that may spend it" }),
    priceList: z.string().openapi({ description: "SHA-256 of the price list by which it is spent" }),
    operation: z.uuid().openapi({ description: "The operation that debits it" }),
    sequence: z.string().nullable().openapi({ description: "Of its entry" }),
    expiresAt: z.string(),
    createdAt: z.string(),
    endedAt: z.string().nullable(),
  })
  .openapi("LedgerAllowance");
const json = <S extends z.ZodType>(schema: S) => ({ "application/json": { schema } });
const SIGNED_PROBLEMS = [
  "ledger_signature_invalid",
  "ledger_request_invalid",
  "ledger_request_expired",
] as const;

const openRoute = createRoute({
  method: "post",
  path: "/v1/accounts/{id}/allowances",
  tags: ["Balances"],
  summary: "Open an allowance: one debit, then inferences that take their price from it",
  description:
    "The owner signs an `allowance` request and seals its terms (credits, end, price list, vault) to the attested HPKE key: nobody but the vault reads how much it holds. Debited in the background. Name it in `Affidavit-Allowance` then.",
  security: KEY_SECURITY,
  request: { params: accountParams, body: { required: true, content: json(allowanceSchema) } },
  responses: {
    202: { description: "It waits for its debit", content: json(viewSchema) },
    ...problems(
      ...ACCOUNT_PROBLEMS,
      ...SIGNED_PROBLEMS,
      "allowances_off",
      "vault_allowance_invalid",
      "vault_allowance_elsewhere",
      "vault_allowance_expired",
      "vault_price_list_stale",
      "ledger_operation_limit",
      "session_unavailable",
      "jobs_closed",
    ),
  },
});
const listRoute = createRoute({
  method: "get",
  path: "/v1/accounts/{id}/allowances",
  tags: ["Balances"],
  summary: "An account's allowances, the newest first",
  security: KEY_SECURITY,
  request: { params: accountParams },
  responses: {
    200: { description: "At most 100", content: json(z.object({ allowances: z.array(viewSchema) })) },
    ...problems(...ACCOUNT_PROBLEMS),
  },
});
const showRoute = createRoute({
  method: "get",
  path: "/v1/accounts/{id}/allowances/{allowance}",
  tags: ["Balances"],
  summary: "How an allowance stands; not what is left of it",
  security: KEY_SECURITY,
  request: { params: allowanceParams },
  responses: {
    200: { description: "The allowance", content: json(viewSchema) },
    ...problems(...ACCOUNT_PROBLEMS, "allowance_not_found"),
  },
});
const closeRoute = createRoute({
  method: "post",
  path: "/v1/accounts/{id}/allowances/{allowance}/close",
  tags: ["Balances"],
  summary: "End an allowance before its time: what is left goes back to the balance",
  description:
    "The owner signs a `close` request whose subject is the allowance. Inferences under way are finished first; the refund is made in the background.",
  security: KEY_SECURITY,
  request: { params: allowanceParams, body: { required: true, content: json(closingSchema) } },
  responses: {
    202: { description: "Nothing more is spent from it", content: json(viewSchema) },
    ...problems(...ACCOUNT_PROBLEMS, ...SIGNED_PROBLEMS, "allowance_not_found"),
  },
});
const pricesRoute = createRoute({
  method: "get",
  path: "/v1/balances/prices",
  tags: ["Balances"],
  summary: "The price list in force, as the service's owner signed it",
  responses: {
    200: {
      description: "docs/spec/balances.md, Allowances: its SHA-256 is what terms name",
      content: json(z.looseObject({ formatVersion: z.literal(1) }).openapi("PriceList")),
    },
    ...problems("balances_off", "allowances_off"),
  },
});

export function ledgerAllowances(app: App, services: Services, authenticator: Authenticator): void {
  const key = authenticator.requires("infer");
  for (const route of [openRoute, listRoute, showRoute, closeRoute, pricesRoute])
    app.openAPIRegistry.registerPath(route);
  const held = () => services.ledger().allowances;
  app.post(openRoute.getRoutingPath(), key, sealable(services), async (c) => {
    const asked = await readJson(c, allowanceSchema);
    const row = await services.lifecycle.during(() =>
      held().open(c.var.account, readAccount(c), {
        ...signedRequest(asked),
        terms: fromBase64(asked.terms),
      }),
    );
    return c.json(viewToJson(row), 202, NO_STORE);
  });
  app.get(listRoute.getRoutingPath(), key, async (c) => {
    const rows = await held().list(c.var.account, readAccount(c));
    return c.json({ allowances: rows.map(viewToJson) }, 200, NO_STORE);
  });
  app.get(showRoute.getRoutingPath(), key, async (c) => {
    const row = await held().find(c.var.account, readAccount(c), readAllowance(c));
    return c.json(viewToJson(row), 200, NO_STORE);
  });
  app.post(closeRoute.getRoutingPath(), key, sealable(services), async (c) => {
    const asked = signedRequest(await readJson(c, closingSchema));
    const row = await services.lifecycle.during(() =>
      held().close(c.var.account, readAccount(c), readAllowance(c), asked),
    );
    return c.json(viewToJson(row), 202, NO_STORE);
  });
  app.get(pricesRoute.getRoutingPath(), (c) =>
    c.body(held().prices(), 200, { "content-type": "application/json", ...NO_STORE }),
  );
}

/** @throws ServiceError `request_invalid` */
function readAllowance(c: AppContext): Uint8Array {
  const params = allowanceParams.shape.allowance.safeParse(c.req.param("allowance"));
  refuseInvalid({ ...params, target: "param" });
  return fromHex(params.data!);
}

function viewToJson(row: AllowanceView) {
  return {
    id: toHex0x(row.id),
    account: toHex0x(row.account),
    state: row.state,
    code: row.code,
    vault: toHex0x(row.vault),
    priceList: toHex0x(row.priceList),
    operation: row.operationId,
    sequence: row.sequence?.toString() ?? null,
    expiresAt: row.expiresAt.toISOString(),
    createdAt: row.createdAt.toISOString(),
    endedAt: row.endedAt?.toISOString() ?? null,
  };
}
