/** Background jobs, for the operator: what waits, what failed and why. Payloads are ciphertext and are never shown. */
import { createRoute, z } from "@hono/zod-openapi";
import { JOB_KIND_NAMES, JOB_KINDS, JOB_STATES, type JobView } from "../jobs/index.ts";
import type { Authenticator } from "../middleware/authenticate.ts";
import type { App, AppContext } from "../middleware/env.ts";
import { ServiceError } from "../problem.ts";
import type { Services } from "../services.ts";
import { KEY_SECURITY, problems } from "./schemas.ts";

const jobSchema = z
  .object({
    id: z.uuid(),
    kind: z.enum(JOB_KIND_NAMES),
    summary: z.string(),
    state: z.enum(JOB_STATES).openapi({ description: "A failed job waits for a person" }),
    priority: z.int(),
    retries: z.int().openapi({ description: "Tries that failed and were repeated" }),
    retryLimit: z.int(),
    code: z.string().nullable().openapi({ description: "Why the last try failed" }),
    createdAt: z.iso.datetime(),
    startAfter: z.iso.datetime(),
    startedAt: z.iso.datetime().nullable(),
    endedAt: z.iso.datetime().nullable(),
  })
  .openapi("Job");

const params = z.object({ id: z.uuid() });
const query = z.object({
  kind: z.enum(JOB_KIND_NAMES).optional(),
  state: z.enum(JOB_STATES).optional(),
  limit: z.coerce.number().int().min(1).max(1000).default(100),
});
const common = { tags: ["Jobs"], security: KEY_SECURITY };
const JOB_PROBLEMS = [
  "unauthenticated",
  "api_key_invalid",
  "scope_missing",
  "request_invalid",
  "jobs_unsupported",
] as const;
const oneJob = (description: string) => ({
  description,
  content: { "application/json": { schema: jobSchema } },
});

const listRoute = createRoute({
  ...common,
  method: "get",
  path: "/v1/jobs",
  summary: "Background jobs, the newest first",
  description: "For administrators of the operator's own tenant, as all of this.",
  request: { query },
  responses: {
    200: {
      description: "At most `limit`",
      content: { "application/json": { schema: z.object({ jobs: z.array(jobSchema) }) } },
    },
    ...problems(...JOB_PROBLEMS),
  },
});
const showRoute = createRoute({
  ...common,
  method: "get",
  path: "/v1/jobs/{id}",
  summary: "A background job",
  request: { params },
  responses: { 200: oneJob("The job"), ...problems(...JOB_PROBLEMS, "job_not_found") },
});
const retryRoute = createRoute({
  ...common,
  method: "post",
  path: "/v1/jobs/{id}/retry",
  summary: "Try a failed or cancelled job again",
  request: { params },
  responses: {
    200: oneJob("The job, which waits again"),
    ...problems(...JOB_PROBLEMS, "job_not_found", "job_not_failed"),
  },
});
const cancelRoute = createRoute({
  ...common,
  method: "delete",
  path: "/v1/jobs/{id}",
  summary: "Cancel a background job",
  description: "One that runs is told to end, which may take some seconds.",
  request: { params },
  responses: {
    200: oneJob("The job, cancelled"),
    ...problems(...JOB_PROBLEMS, "job_not_found", "job_ended"),
  },
});

export function jobs(app: App, services: Services, authenticator: Authenticator): void {
  const middleware = authenticator.requires("admin");

  app.openapi({ ...listRoute, middleware }, async (c) => {
    const { kind, state, limit } = c.req.valid("query");
    const filter = { limit, ...(kind && { kind }), ...(state && { state }) };
    const found = await services.jobs.administration(c.var.account).list(filter);
    return c.json({ jobs: found.map(toJson) }, 200, { "cache-control": "no-store" });
  });

  app.openapi({ ...showRoute, middleware }, async (c) => await show(c, c.req.valid("param").id));

  app.openapi({ ...retryRoute, middleware }, async (c) => {
    const { id } = c.req.valid("param");
    await services.jobs.administration(c.var.account).retry(id);
    services.log.info({ traceId: c.var.traceId, by: c.var.account.keyId, jobId: id }, "job tried again");
    return await show(c, id);
  });

  app.openapi({ ...cancelRoute, middleware }, async (c) => {
    const { id } = c.req.valid("param");
    await services.jobs.administration(c.var.account).cancel(id);
    services.log.info({ traceId: c.var.traceId, by: c.var.account.keyId, jobId: id }, "job cancelled");
    return await show(c, id);
  });

  async function show(c: AppContext, id: string) {
    const job = await services.jobs.administration(c.var.account).find(id);
    if (!job) throw new ServiceError("job_not_found");
    return c.json(toJson(job), 200, { "cache-control": "no-store" });
  }
}

function toJson(job: JobView): z.infer<typeof jobSchema> {
  return {
    ...job,
    summary: JOB_KINDS[job.kind].summary,
    createdAt: job.createdAt.toISOString(),
    startAfter: job.startAfter.toISOString(),
    startedAt: job.startedAt?.toISOString() ?? null,
    endedAt: job.endedAt?.toISOString() ?? null,
  };
}
