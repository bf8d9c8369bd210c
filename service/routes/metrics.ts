import { createRoute, z } from "@hono/zod-openapi";
import type { App } from "../middleware/env.ts";
import type { Services } from "../services.ts";

const route = createRoute({
  method: "get",
  path: "/metrics",
  tags: ["Operation"],
  summary: "Prometheus metrics",
  responses: { 200: { description: "Text exposition", content: { "text/plain": { schema: z.string() } } } },
});

export function metrics(app: App, services: Services): void {
  const { registry } = services.metrics;
  app.openapi(
    route,
    async (c) =>
      c.body(await registry.metrics(), 200, {
        "content-type": registry.contentType,
        "cache-control": "no-store",
      }) as never,
  );
}
