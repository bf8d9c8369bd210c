/** The owner's policy of the vault: which limits hold, and another one. Whoever brings it, the owner's signature decides. */
import { createRoute, z } from "@hono/zod-openapi";
import { toHex } from "../../codec/index.ts";
import { MAX_VAULT_POLICY_LENGTH } from "../../receipts/index.ts";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App } from "../middleware/env.ts";
import { readJson } from "../middleware/json-body.ts";
import type { Services } from "../services.ts";
import { KEY_SECURITY, problems } from "./schemas.ts";

const PATH = "/v1/vault-policy";
/** The document is text within JSON: each of its quotes takes two characters. */
const MAX_BODY_BYTES = 2 * MAX_VAULT_POLICY_LENGTH + 1024;

const policySchema = z
  .object({
    owner: z
      .string()
      .nullable()
      .openapi({ description: "The Ed25519 key whose documents count, hex; null for nobody's" }),
    document: z
      .string()
      .nullable()
      .openapi({ description: "The policy in force, as it was signed; null for none" }),
    used: z.array(z.object({ operation: z.string(), used: z.int(), perHour: z.int() })).openapi({
      description: "What is limited, and what was used of it in this hour by this service's vault",
    }),
  })
  .openapi("VaultPolicy");
const changeSchema = z.strictObject({ document: z.string().max(MAX_VAULT_POLICY_LENGTH) });
const changedSchema = z.object({ receiptId: z.string(), leafIndex: z.string() }).openapi("VaultPolicyChange");
const common = { tags: ["Vault"], security: KEY_SECURITY };
const PROBLEMS = ["unauthenticated", "api_key_invalid", "scope_missing", "session_unavailable"] as const;

const showRoute = createRoute({
  ...common,
  method: "get",
  path: PATH,
  summary: "The vault's limits and its owner's policy",
  description: "For administrators of the operator's own tenant, as the next.",
  responses: {
    200: { description: "The policy", content: { "application/json": { schema: policySchema } } },
    ...problems(...PROBLEMS),
  },
});
const changeRoute = createRoute({
  ...common,
  method: "put",
  path: PATH,
  summary: "Put a policy that the installation's owner signed in force",
  description:
    "It holds from the next request to the vault on, and is logged as a `PolicyChange`. Send the same document again where the answer did not come.",
  request: { body: { required: true, content: { "application/json": { schema: changeSchema } } } },
  responses: {
    200: {
      description: "It holds and is logged",
      content: { "application/json": { schema: changedSchema } },
    },
    ...problems(
      ...PROBLEMS,
      "request_invalid",
      "vault_policy_invalid",
      "vault_policy_owner_unknown",
      "vault_policy_stale",
    ),
  },
});

export function vaultPolicy(app: App, services: Services, authenticator: Authenticator): void {
  const middleware = authenticator.requires("admin");
  const { vaultAdministration } = services;

  app.openapi({ ...showRoute, middleware }, async (c) => {
    const { owner, document, used } = await vaultAdministration.policy(c.var.account);
    const rows = used.map((row) => ({
      operation: row.name,
      used: Number(row.used),
      perHour: Number(row.perHour),
    }));
    return c.json({ owner: owner && toHex(owner), document, used: rows }, 200, {
      "cache-control": "no-store",
    });
  });

  app.openAPIRegistry.registerPath(changeRoute);
  app.put(PATH, middleware, async (c) => {
    const { document } = await readJson(c, changeSchema, MAX_BODY_BYTES);
    const { receiptId, leafIndex } = await vaultAdministration.changePolicy(c.var.account, document);
    services.log.info({ traceId: c.var.traceId, by: c.var.account.keyId, receiptId }, "vault policy changed");
    return c.json({ receiptId, leafIndex: leafIndex.toString() }, 200, { "cache-control": "no-store" });
  });
}
