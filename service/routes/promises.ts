/** Proofs and re-executions: where each stands, as it changes, and its end. */
import { createRoute, z } from "@hono/zod-openapi";
import { streamSSE } from "hono/streaming";
import { toHex0x } from "../../codec/index.ts";
import { PROOF_MEDIA_TYPE } from "../../proofs/client.ts";
import type { PromiseKind, PromiseView } from "../assurance/index.ts";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App, AppContext } from "../middleware/env.ts";
import { Budget } from "../middleware/lifecycle.ts";
import type { Services } from "../services.ts";
import { KEY_SECURITY, problems } from "./schemas.ts";

export const promiseSchema = z
  .object({
    id: z.uuid(),
    kind: z.enum(["proof", "reexecution"]),
    receiptId: z.string(),
    state: z
      .enum([
        "waiting",
        "running",
        "delivered",
        "disagrees",
        "incomparable",
        "expired",
        "cancelled",
        "failed",
      ])
      .openapi({
        description:
          "delivered: of a re-execution, that the same bits came; disagrees: others came; incomparable: engine, version or hardware differ, so nothing follows; expired: not in time, and the log says so",
      }),
    stage: z
      .string()
      .nullable()
      .openapi({ description: "How far it is: queued, witness, prove, verify, run" }),
    code: z.string().nullable().openapi({ description: "Why it failed" }),
    circuitId: z.string().nullable(),
    createdAt: z.iso.datetime(),
    deadlineAt: z.iso.datetime(),
    endedAt: z.iso.datetime().nullable(),
    outcome: z
      .object({
        statementId: z.string(),
        statement: z.string().openapi({ description: "Statement and signature, base64url" }),
        keysetDigest: z.string(),
        leafIndex: z.string(),
        difference: z
          .string()
          .nullable()
          .openapi({ description: "Largest difference of the outputs, in units of 10^-9" }),
        anotherKeyset: z.boolean().openapi({
          description: "Whether another keyset than the answer's signed it; the same machine may hold both",
        }),
      })
      .nullable()
      .openapi({ description: "What was signed and logged of its end" }),
  })
  .openapi("Promise");

const params = z.object({ id: z.uuid() });
const PROMISE_PROBLEMS = [
  "unauthenticated",
  "api_key_invalid",
  "scope_missing",
  "request_invalid",
  "promise_not_found",
] as const;

/** How often a stream looks for what another process changed, and how long it lasts at most: a client then asks again. */
const POLL_MS = 250;
const LONGEST_STREAM_MS = 600_000;
const MAX_STREAMS = 100;

const bundleRoute = createRoute({
  method: "get",
  path: "/v1/proofs/{id}/bundle",
  tags: ["Assurance"],
  summary: "A delivered proof with its receipt, for offline verification",
  security: KEY_SECURITY,
  request: { params },
  responses: {
    200: {
      description: "The proof bundle",
      content: {
        [PROOF_MEDIA_TYPE]: { schema: z.looseObject({ formatVersion: z.literal(1) }).openapi("ProofBundle") },
      },
    },
    ...problems(...PROMISE_PROBLEMS, "proof_not_delivered", "circuit_missing", "evidence_unavailable"),
  },
});

const ONE = { proof: "a proof", reexecution: "a re-execution" } as const;
const PATHS = { proof: "/v1/proofs", reexecution: "/v1/reexecutions" } as const;

export function promises(app: App, services: Services, authenticator: Authenticator): void {
  const streams = new Budget(MAX_STREAMS, "event streams");
  for (const kind of ["proof", "reexecution"] as const) register(app, services, authenticator, kind, streams);

  app.openapi({ ...bundleRoute, middleware: authenticator.requires("infer") }, async (c) => {
    const bundle = await services.assurances.bundle(c.var.account, c.req.valid("param").id);
    return c.body(bundle, 200, {
      "content-type": PROOF_MEDIA_TYPE,
      "cache-control": "private, no-store",
    }) as never;
  });
}

function register(
  app: App,
  services: Services,
  authenticator: Authenticator,
  kind: PromiseKind,
  streams: Budget,
): void {
  const middleware = authenticator.requires("infer");
  const common = { tags: ["Assurance"], security: KEY_SECURITY, request: { params } };
  const shown = { description: "It", content: { "application/json": { schema: promiseSchema } } };
  const { assurances } = services;

  const showRoute = createRoute({
    ...common,
    method: "get",
    path: `${PATHS[kind]}/{id}`,
    summary: `Where ${ONE[kind]} stands`,
    responses: { 200: shown, ...problems(...PROMISE_PROBLEMS) },
  });
  app.openapi({ ...showRoute, middleware }, async (c) => {
    const view = await assurances.find(c.var.account, kind, c.req.valid("param").id);
    return c.json(promiseToJson(view), 200, { "cache-control": "no-store" });
  });

  const cancelRoute = createRoute({
    ...common,
    method: "delete",
    path: `${PATHS[kind]}/{id}`,
    summary: `Cancel ${ONE[kind]}`,
    description:
      "The receipt's promise stays in its statement: that it was not kept is logged at the deadline.",
    responses: { 200: shown, ...problems(...PROMISE_PROBLEMS, "promise_ended") },
  });
  app.openapi({ ...cancelRoute, middleware }, async (c) => {
    const view = await assurances.cancel(c.var.account, kind, c.req.valid("param").id);
    return c.json(promiseToJson(view), 200, { "cache-control": "no-store" });
  });

  const eventsRoute = createRoute({
    ...common,
    method: "get",
    path: `${PATHS[kind]}/{id}/events`,
    summary: `Follow ${ONE[kind]} as server-sent events`,
    description: "An event `promise` with what GET answers, now and after each change, until it has ended.",
    responses: {
      200: { description: "Events", content: { "text/event-stream": { schema: z.string() } } },
      ...problems(...PROMISE_PROBLEMS, "service_overloaded"),
    },
  });
  app.openapi({ ...eventsRoute, middleware }, async (c) => {
    const { id } = c.req.valid("param");
    const first = await assurances.find(c.var.account, kind, id);
    streams.take(1);
    return follow(c, services, kind, first, () => streams.giveBack(1)) as never;
  });
}

function follow(
  c: AppContext,
  services: Services,
  kind: PromiseKind,
  first: PromiseView,
  done: () => void,
): Response {
  const account = c.var.account;
  const { assurances } = services;
  const untilMs = services.nowMs() + LONGEST_STREAM_MS;
  c.header("cache-control", "no-store, no-transform");
  return streamSSE(c, async (stream) => {
    try {
      let last = "";
      for (;;) {
        const changed = assurances.changed(first.id, POLL_MS);
        const view = await assurances.find(account, kind, first.id);
        const data = JSON.stringify(promiseToJson(view));
        if (data !== last) await stream.writeSSE({ event: "promise", data });
        last = data;
        const ended = view.endedAt !== null && (view.outcome !== null || view.state !== "expired");
        if (ended || stream.aborted || services.lifecycle.draining || services.nowMs() > untilMs) return;
        await changed;
      }
    } finally {
      done();
    }
  });
}

export function promiseToJson(view: PromiseView): z.infer<typeof promiseSchema> {
  const { circuitId, createdAt, deadlineAt, endedAt, outcome, ...rest } = view;
  return {
    ...rest,
    circuitId: circuitId && toHex0x(circuitId),
    createdAt: createdAt.toISOString(),
    deadlineAt: deadlineAt.toISOString(),
    endedAt: endedAt?.toISOString() ?? null,
    outcome: outcome && {
      statementId: outcome.statementId,
      statement: outcome.statement,
      keysetDigest: toHex0x(outcome.keysetDigest),
      leafIndex: outcome.leafIndex.toString(),
      difference: outcome.difference?.toString() ?? null,
      anotherKeyset: outcome.anotherKeyset,
    },
  };
}
