/** What a problem's `type` points to. */
import { createRoute, z } from "@hono/zod-openapi";
import type { App } from "../middleware/env.ts";
import { PROBLEMS, ServiceError } from "../problem.ts";
import type { ProblemCode } from "../problem.ts";
import { problems } from "./schemas.ts";

const entry = z.object({ code: z.string(), status: z.int(), title: z.string(), charged: z.literal(false) });
const listRoute = createRoute({
  method: "get",
  path: "/problems",
  tags: ["Operation"],
  summary: "Every problem code",
  responses: {
    200: {
      description: "All codes, by name",
      content: { "application/json": { schema: z.object({ problems: z.array(entry) }) } },
    },
  },
});
const route = createRoute({
  method: "get",
  path: "/problems/{code}",
  tags: ["Operation"],
  summary: "What a problem code means",
  request: { params: z.object({ code: z.string().max(64) }) },
  responses: {
    200: { description: "Status and title", content: { "application/json": { schema: entry } } },
    ...problems("route_not_found"),
  },
});

function describe(code: ProblemCode) {
  const [status, title] = PROBLEMS[code];
  return { code, status, title, charged: false as const };
}

export function problem(app: App): void {
  app.openapi(listRoute, (c) => {
    const codes = (Object.keys(PROBLEMS) as ProblemCode[]).toSorted();
    return c.json({ problems: codes.map(describe) }, 200);
  });
  app.openapi(route, (c) => {
    const { code } = c.req.valid("param");
    if (!Object.hasOwn(PROBLEMS, code)) throw new ServiceError("route_not_found", "no such problem code");
    return c.json(describe(code as ProblemCode), 200);
  });
}
