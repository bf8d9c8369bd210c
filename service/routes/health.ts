/** Liveness and readiness, in the forms that supervisors and that Open Inference clients ask for. */
import { createRoute, z } from "@hono/zod-openapi";
import type { App } from "../middleware/env.ts";
import type { Component, Services } from "../services.ts";

const readiness = z.object({
  ready: z.boolean(),
  draining: z.boolean(),
  components: z.array(
    z.object({
      name: z.string(),
      status: z.enum(["ok", "degraded", "down", "off"]),
      notes: z.array(z.string()),
    }),
  ),
});
const answer = (description: string, schema: z.ZodType) => ({
  description,
  content: { "application/json": { schema } },
});
const live = z.object({ live: z.literal(true) });
const ready = z.object({ ready: z.boolean() });

const livezRoute = createRoute({
  method: "get",
  path: "/livez",
  tags: ["Operation"],
  summary: "Whether the process answers at all",
  responses: { 200: answer("It does", live) },
});
const readyzRoute = createRoute({
  method: "get",
  path: "/readyz",
  tags: ["Operation"],
  summary: "Each part with its state, in plain words",
  responses: {
    200: answer("Ready", readiness),
    503: answer("A part is down, or the service is shutting down", readiness),
  },
});
const v2LiveRoute = createRoute({
  method: "get",
  path: "/v2/health/live",
  tags: ["Open Inference"],
  summary: "Server live",
  responses: { 200: answer("Live", live) },
});
const v2ReadyRoute = createRoute({
  method: "get",
  path: "/v2/health/ready",
  tags: ["Open Inference"],
  summary: "Server ready",
  responses: { 200: answer("Ready", ready), 503: answer("Not ready", ready) },
});

async function inspect(
  services: Services,
): Promise<{ ready: boolean; draining: boolean; components: Component[] }> {
  const { draining } = services.lifecycle;
  const components = await services.health.components();
  return { ready: !draining && components.every(({ status }) => status !== "down"), draining, components };
}

export function health(app: App, services: Services): void {
  app.openapi(livezRoute, (c) => c.json({ live: true as const }, 200));
  app.openapi(v2LiveRoute, (c) => c.json({ live: true as const }, 200));
  app.openapi(readyzRoute, async (c) => {
    const state = await inspect(services);
    return c.json(state, state.ready ? 200 : 503, { "cache-control": "no-store" });
  });
  app.openapi(v2ReadyRoute, async (c) => {
    const state = await inspect(services);
    return c.json({ ready: state.ready }, state.ready ? 200 : 503, { "cache-control": "no-store" });
  });
}
