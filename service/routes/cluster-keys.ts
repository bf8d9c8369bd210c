/** A passing of the cluster's keys, as far as services carry it: what they cannot read, and what each vault decides on. */
import { createRoute, z } from "@hono/zod-openapi";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App } from "../middleware/env.ts";
import { readJson } from "../middleware/json-body.ts";
import { challengeSchema, MAX_PASSING_BYTES, passingText, releaseSchema } from "../passing-wire.ts";
import type { Services } from "../services.ts";
import { KEY_SECURITY, problems } from "./schemas.ts";

const PATH = "/v1/cluster-keys";
const text = z.string().openapi({ description: "base64" });
const peerSchema = z
  .object({ type: z.string(), quote: text, endorsements: z.string().openapi({ description: "JSON text" }) })
  .openapi("PeerEvidence");
const common = { tags: ["Vault"], security: KEY_SECURITY };
const PROBLEMS = [
  "unauthenticated",
  "api_key_invalid",
  "scope_missing",
  "request_invalid",
  "session_unavailable",
] as const;

const challengeRoute = createRoute({
  ...common,
  method: "post",
  path: `${PATH}/challenges`,
  summary: "Begin to pass the cluster's keys to another vault",
  description:
    "For administrators of the operator's own tenant, as the next. A nonce is good once, for a minute.",
  request: {
    body: {
      required: true,
      content: { "application/json": { schema: z.object({ nonce: text, hpkeKey: text }) } },
    },
  },
  responses: {
    200: {
      description: "This vault's nonce",
      content: { "application/json": { schema: z.object({ nonce: text }) } },
    },
    ...problems(...PROBLEMS, "vault_busy"),
  },
});
const releaseRoute = createRoute({
  ...common,
  method: "post",
  path: `${PATH}/releases`,
  summary: "Pass the cluster's keys to a vault that this one judged",
  description:
    "The vault judges the other's evidence, made over this vault's nonce, and seals the keys to the key that it names. The `KeyRelease` is in the log before they leave.",
  request: {
    body: {
      required: true,
      content: { "application/json": { schema: z.object({ nonce: text, peer: peerSchema }) } },
    },
  },
  responses: {
    200: {
      description: "The keys, sealed, and this vault's evidence for them",
      content: { "application/json": { schema: z.object({ sealed: text, peer: peerSchema }) } },
    },
    ...problems(
      ...PROBLEMS,
      "vault_passing_unknown",
      "vault_peer_refused",
      "vault_peer_stale",
      "vault_peer_measurement_unknown",
      "vault_peer_simulated",
      "vault_peer_policy_missing",
      "vault_limit_reached",
    ),
  },
});

export function clusterKeys(app: App, services: Services, authenticator: Authenticator): void {
  const middleware = authenticator.requires("admin");
  const { vaultAdministration, log } = services;
  const json = { "content-type": "application/json", "cache-control": "no-store" };

  app.openAPIRegistry.registerPath(challengeRoute);
  app.post(challengeRoute.path, middleware, async (c) => {
    const asked = await readJson(c, challengeSchema);
    const nonce = await vaultAdministration.beginGiving(c.var.account, asked);
    return c.body(passingText({ nonce }), 200, json);
  });

  app.openAPIRegistry.registerPath(releaseRoute);
  app.post(releaseRoute.path, middleware, async (c) => {
    const { nonce, peer } = await readJson(c, releaseSchema, MAX_PASSING_BYTES);
    const given = await vaultAdministration.give(c.var.account, nonce, peer);
    log.info({ traceId: c.var.traceId, by: c.var.account.keyId }, "cluster keys passed to another vault");
    return c.body(passingText(given), 200, json);
  });
}
