/** Accounts of encrypted balances: opening, what they stand at, reading. */
import { createRoute, z } from "@hono/zod-openapi";
import { ownerToText, parseOwner } from "../../balances/index.ts";
import { fromHex, toBase64, toHex0x } from "../../codec/index.ts";
import { readingSchema, signedRequest } from "../ledger/index.ts";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App, AppContext } from "../middleware/env.ts";
import { refuseInvalid } from "../middleware/failure.ts";
import { readJson } from "../middleware/json-body.ts";
import { sealable } from "../middleware/sealable.ts";
import type { LedgerAccountView, Services } from "../services.ts";
import { KEY_SECURITY, problems } from "./schemas.ts";

export const accountParams = z.object({
  id: z
    .string()
    .regex(/^0x[0-9a-f]{64}$/, "an account's id: 0x and 64 hex digits")
    .openapi({ description: "SHA-256 of the owner's key, docs/spec/balances.md" }),
});
export const ACCOUNT_PROBLEMS = [
  "unauthenticated",
  "api_key_invalid",
  "scope_missing",
  "request_invalid",
  "balances_off",
  "ledger_account_unknown",
] as const;

const ownerSchema = z.strictObject({
  owner: z
    .string()
    .regex(/^(secp256k1:0x[0-9a-f]{40}|ed25519:0x[0-9a-f]{64})$/)
    .openapi({ description: "secp256k1:0x<address> or ed25519:0x<public key>" }),
});
const viewSchema = z
  .object({
    account: z.string(),
    owner: z.string(),
    sequence: z.string().openapi({ description: "Of the last entry" }),
    requestSequence: z.string().openapi({ description: "Of the owner's last request; the next is one more" }),
    balanceDigest: z.string().openapi({ description: "SHA-256 of the balance's ciphertext" }),
    frozen: z.boolean(),
  })
  .openapi("LedgerAccount");
const json = <S extends z.ZodType>(schema: S) => ({ "application/json": { schema } });

const openRoute = createRoute({
  method: "post",
  path: "/v1/accounts",
  tags: ["Balances"],
  summary: "Open an account with an encrypted balance of zero",
  description:
    "One an owner. The owner's key signs what is later taken from it; the API key's tenant sees it.",
  security: KEY_SECURITY,
  request: { body: { required: true, content: json(ownerSchema) } },
  responses: {
    201: { description: "The account", content: json(viewSchema) },
    ...problems(...ACCOUNT_PROBLEMS, "ledger_account_exists", "session_unavailable"),
  },
});
const showRoute = createRoute({
  method: "get",
  path: "/v1/accounts/{id}",
  tags: ["Balances"],
  summary: "Where an account stands; not what it holds",
  security: KEY_SECURITY,
  request: { params: accountParams },
  responses: {
    200: { description: "The account", content: json(viewSchema) },
    ...problems(...ACCOUNT_PROBLEMS),
  },
});
const readRoute = createRoute({
  method: "post",
  path: "/v1/accounts/{id}/reading",
  tags: ["Balances"],
  summary: "Read the balance, sealed to the owner's key",
  description:
    "The owner signs a `reading` request that names an X25519 key. The vault opens the balance for that key alone, once a request, and the log says that it did.",
  security: KEY_SECURITY,
  request: { params: accountParams, body: { required: true, content: json(readingSchema) } },
  responses: {
    200: {
      description: "HPKE message of 64 bytes in base64, and the receipt of its `Opening`",
      content: json(z.object({ reading: z.string(), receiptId: z.string() })),
    },
    ...problems(
      ...ACCOUNT_PROBLEMS,
      "ledger_signature_invalid",
      "ledger_request_expired",
      "vault_opening_repeated",
      "vault_opening_rate_limited",
    ),
  },
});
export function ledgerAccounts(app: App, services: Services, authenticator: Authenticator): void {
  const key = authenticator.requires("infer");
  // Read by hand: the route's own validation would take any length.
  app.openAPIRegistry.registerPath(openRoute);
  app.post(openRoute.getRoutingPath(), key, sealable(services), async (c) => {
    const { owner } = await readJson(c, ownerSchema);
    const view = await services.lifecycle.during(() =>
      services.ledger().open(c.var.account, parseOwner(owner)),
    );
    return c.json(viewToJson(view), 201, NO_STORE);
  });
  app.openAPIRegistry.registerPath(showRoute);
  app.get(showRoute.getRoutingPath(), key, async (c) => {
    const view = await services.ledger().account(c.var.account, readAccount(c));
    return c.json(viewToJson(view), 200, NO_STORE);
  });
  app.openAPIRegistry.registerPath(readRoute);
  app.post(readRoute.getRoutingPath(), key, sealable(services), async (c) => {
    const asked = await readJson(c, readingSchema);
    const { reading, receiptId } = await services.lifecycle.during(() =>
      services.ledger().read(c.var.account, readAccount(c), {
        ...signedRequest(asked),
        publicKey: fromHex(asked.publicKey),
      }),
    );
    return c.json({ reading: toBase64(reading), receiptId }, 200, NO_STORE);
  });
}

export const NO_STORE = { "cache-control": "no-store" };

/** @throws ServiceError `request_invalid` */
export function readAccount(c: AppContext): Uint8Array {
  const params = accountParams.safeParse({ id: c.req.param("id") });
  refuseInvalid({ ...params, target: "param" });
  return fromHex(params.data!.id);
}

function viewToJson(view: LedgerAccountView) {
  return {
    account: toHex0x(view.account),
    owner: ownerToText(view.owner),
    sequence: view.sequence.toString(),
    requestSequence: view.requestSequence.toString(),
    balanceDigest: toHex0x(view.balanceDigest),
    frozen: view.frozen,
  };
}
