/** Every error that leaves a handler, as a problem. */
import type { ErrorHandler, NotFoundHandler } from "hono";
import { HTTPException } from "hono/http-exception";
import { describeError } from "../logger.ts";
import { ServiceError, toProblem } from "../problem.ts";
import type { Services } from "../services.ts";
import type { AppContext, AppEnv } from "./env.ts";

export function handleError(services: Services): ErrorHandler<AppEnv> {
  return (error, c) => {
    const known = error instanceof HTTPException ? fromFramework(error) : error;
    const response = problemResponse(c, known);
    if (response.status >= 500 && response.status !== 503) {
      services.log.error({ traceId: c.var.traceId, err: known }, "request failed");
    } else if (response.status === 503) {
      services.log.warn(
        { traceId: c.var.traceId, problem: c.var.problem, name: describeError(known).name },
        "refused",
      );
    }
    return response;
  };
}

/** Hono itself throws for a body that its validators cannot read. */
function fromFramework(error: HTTPException): Error {
  return error.status < 500 ? new ServiceError("request_invalid") : error;
}

export const handleNotFound: NotFoundHandler<AppEnv> = (c) =>
  problemResponse(c, new ServiceError("route_not_found"));

export function problemResponse(c: AppContext, error: unknown): Response {
  const { code, status, headers, body } = toProblem(error, c.var.traceId);
  c.set("problem", code);
  return new Response(body, { status, headers });
}

/** The first thing that a validator found, by place and rule; values are not repeated. */
export function refuseInvalid(result: {
  success: boolean;
  error?: { issues: { path: PropertyKey[]; message: string }[] };
  target?: string;
}): void {
  if (result.success) return;
  const issue = result.error?.issues[0];
  const place = [result.target, ...(issue?.path ?? [])]
    .filter((part) => part !== undefined)
    .map(String)
    .join(".");
  throw new ServiceError(
    "request_invalid",
    `${place.slice(0, 100)}: ${issue?.message.slice(0, 200) ?? "not valid"}`,
  );
}
