/** Workers elsewhere: a challenge, an admission, one task after another, and what came of each. */
import { createRoute, z } from "@hono/zod-openapi";
import { fromBase64, fromHex, toBase64, toHex, toHex0x } from "../../codec/index.ts";
import { PROVE_STAGES } from "../../proofs/index.ts";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App, AppContext } from "../middleware/env.ts";
import { refuseInvalid } from "../middleware/failure.ts";
import { readJson } from "../middleware/json-body.ts";
import type { Services } from "../services.ts";
import { WORKER_FAILURES, type WorkerReport, type WorkerTask } from "../workers/index.ts";
import { KEY_SECURITY, problems } from "./schemas.ts";

const MAX_INTRODUCTION_BYTES = 2 * 1024 * 1024;
const MAX_REPORT_BYTES = 1024 * 1024;
const DRAINING_LOOK_MS = 250;

const hex64 = z.string().regex(/^[0-9a-f]{64}$/, "64 lower-case hex digits");
const base64 = (maxBytes: number) => z.base64().max(4 * Math.ceil(maxBytes / 3));
const introductionSchema = z
  .strictObject({
    kind: z.literal("prove"),
    circuits: z.array(hex64).max(1024).openapi({ description: "Ids of the circuits that the worker has" }),
    evidence: z
      .strictObject({
        nonce: hex64.openapi({ description: "Of a challenge" }),
        hpkeKey: hex64.openapi({ description: "X25519" }),
        type: z.enum(["tdx", "sgx", "sev-snp", "nitro", "dstack", "azure-vtpm"]),
        quote: base64(128 * 1024),
        endorsements: z
          .string()
          .max(1024 * 1024)
          .openapi({ description: "JSON text" }),
      })
      .optional()
      .openapi({ description: "Left out by a worker that is to see public inputs alone" }),
  })
  .openapi("WorkerIntroduction");
const reportSchema = z
  .union([
    z.strictObject({ stage: z.enum(PROVE_STAGES) }),
    z.strictObject({ proof: base64(512 * 1024), instances: z.array(hex64).max(4096) }),
    z.strictObject({ code: z.enum(WORKER_FAILURES) }),
  ])
  .openapi("WorkerReport");
const taskSchema = z
  .object({
    id: z.uuid(),
    jobId: z.uuid(),
    circuitId: z.string(),
    timeoutMs: z.int(),
    sealed: z.string().optional().openapi({ description: "The job's payload as it is stored, base64" }),
    sealedKey: z
      .string()
      .optional()
      .openapi({ description: "Its key, sealed to the worker's: 80 bytes of hex" }),
    payload: z.string().optional().openapi({ description: "In the clear, base64: of a public input alone" }),
  })
  .openapi("WorkerTask");
const sessionParams = z.object({ id: z.uuid() });
const taskParams = sessionParams.extend({ taskId: z.uuid() });

const json = <Schema extends z.ZodType>(description: string, schema: Schema) => ({
  description,
  content: { "application/json": { schema } },
});
const KEY_PROBLEMS = ["unauthenticated", "api_key_invalid", "scope_missing", "worker_paused"] as const;
const common = { tags: ["Workers"], security: KEY_SECURITY };

const challengeRoute = createRoute({
  ...common,
  method: "post",
  path: "/v1/workers/challenges",
  summary: "A nonce for a worker's evidence, good once, for a minute",
  responses: {
    200: json("The nonce", z.object({ nonce: z.string(), expiresAtMs: z.int() })),
    ...problems(...KEY_PROBLEMS, "vault_worker_policy_missing", "vault_busy"),
  },
});
const beginRoute = createRoute({
  ...common,
  method: "post",
  path: "/v1/workers",
  summary: "Admit a worker",
  description: "For keys with the scope `worker` of the operator's own tenant, as all of this.",
  request: { body: { required: true, content: { "application/json": { schema: introductionSchema } } } },
  responses: {
    201: json("It", z.object({ id: z.uuid(), attested: z.boolean(), expiresAtMs: z.int() })),
    ...problems(
      ...KEY_PROBLEMS,
      "request_invalid",
      "worker_limit",
      "worker_circuits_missing",
      "worker_refused",
      "vault_worker_policy_missing",
      "vault_worker_challenge_unknown",
      "vault_worker_challenge_expired",
      "vault_busy",
    ),
  },
});
const nextRoute = createRoute({
  ...common,
  method: "post",
  path: "/v1/workers/{id}/tasks",
  summary: "Wait for a task, for up to twenty seconds",
  request: { params: sessionParams },
  responses: {
    200: json("The task", taskSchema),
    204: { description: "None came" },
    ...problems(...KEY_PROBLEMS, "worker_session_unknown", "worker_busy", "jobs_closed"),
  },
});
const reportRoute = createRoute({
  ...common,
  method: "post",
  path: "/v1/workers/{id}/tasks/{taskId}",
  summary: "Say how far a task is, or how it ended",
  description: "At least every fifteen seconds: the job of a silent worker is given to another one.",
  request: {
    params: taskParams,
    body: { required: true, content: { "application/json": { schema: reportSchema } } },
  },
  responses: {
    200: json("Whether the task is over", z.object({ ended: z.boolean() })),
    ...problems(...KEY_PROBLEMS, "request_invalid", "worker_session_unknown"),
  },
});
const endRoute = createRoute({
  ...common,
  method: "delete",
  path: "/v1/workers/{id}",
  summary: "Let a worker go, and give its task to another one",
  request: { params: sessionParams },
  responses: {
    204: { description: "It is gone" },
    ...problems(...KEY_PROBLEMS, "worker_session_unknown"),
  },
});

export function workers(app: App, services: Services, authenticator: Authenticator): void {
  const middleware = authenticator.requires("worker");
  app.openapi({ ...challengeRoute, middleware }, async (c) => {
    const { nonce, expiresAtMs } = await services.workers().challenge(c.var.account);
    return c.json({ nonce: toHex(nonce), expiresAtMs }, 200, { "cache-control": "no-store" });
  });
  // Read by hand: evidence is longer than what is read otherwise.
  app.openAPIRegistry.registerPath(beginRoute);
  app.post(beginRoute.getRoutingPath(), middleware, async (c) => {
    const { circuits, evidence } = await readJson(c, introductionSchema, MAX_INTRODUCTION_BYTES);
    const shown = evidence && {
      ...evidence,
      nonce: fromHex(evidence.nonce, 32),
      hpkeKey: fromHex(evidence.hpkeKey, 32),
      quote: fromBase64(evidence.quote),
    };
    const session = await services.workers().begin(c.var.account, { circuits, evidence: shown });
    const { id, attested, expiresAtMs } = session;
    return c.json({ id, attested: attested !== undefined, expiresAtMs }, 201);
  });
  app.openapi({ ...nextRoute, middleware }, async (c) => {
    const { signal, stop } = untilDraining(c, services);
    try {
      const task = await services.workers().next(c.var.account, c.req.valid("param").id, signal);
      if (!task) return c.body(null, 204);
      return c.json(taskToJson(task), 200, { "cache-control": "no-store" });
    } finally {
      stop();
    }
  });
  app.openAPIRegistry.registerPath(reportRoute);
  app.post(reportRoute.getRoutingPath(), middleware, async (c) => {
    const params = taskParams.safeParse(c.req.param());
    refuseInvalid({ ...params, target: "param" });
    const { id, taskId } = params.data!;
    const report = reportOf(await readJson(c, reportSchema, MAX_REPORT_BYTES));
    const ended = services.workers().report(c.var.account, id, taskId, report);
    return c.json({ ended }, 200, { "cache-control": "no-store" });
  });
  app.openapi({ ...endRoute, middleware }, (c) => {
    services.workers().end(c.var.account, c.req.valid("param").id);
    return c.body(null, 204);
  });
}

/** A stop does not wait for those who wait. */
function untilDraining(c: AppContext, { lifecycle }: Services): { signal: AbortSignal; stop(): void } {
  const controller = new AbortController();
  const timer = setInterval(() => lifecycle.draining && controller.abort(), DRAINING_LOOK_MS);
  return {
    signal: AbortSignal.any([c.req.raw.signal, controller.signal]),
    stop: () => clearInterval(timer),
  };
}

function reportOf(given: z.infer<typeof reportSchema>): WorkerReport {
  if ("stage" in given) return { kind: "progress", stage: given.stage };
  if ("code" in given) return { kind: "failure", code: given.code };
  const instances = given.instances.map((instance) => fromHex(instance, 32));
  return { kind: "proof", parts: { proof: fromBase64(given.proof), instances } };
}

function taskToJson({ id, jobId, circuitId, timeoutMs, payload }: WorkerTask): z.infer<typeof taskSchema> {
  const head = { id, jobId, circuitId: toHex0x(circuitId), timeoutMs };
  if ("clear" in payload) return { ...head, payload: toBase64(payload.clear) };
  return { ...head, sealed: toBase64(payload.sealed), sealedKey: toHex(payload.sealedKey) };
}
