/** Refusals in the form that clients of OpenAI-like services read, beside our own: `error` is then an object (ACI, section 10). */
import type { AppContext } from "../middleware/env.ts";
import { toProblem } from "../problem.ts";

const TYPES = new Map<number, string>([
  [400, "invalid_request_error"],
  [401, "unauthorized"],
  [403, "unauthorized"],
  [404, "not_found"],
  [429, "rate_limit_exceeded"],
]);

/** Runs a handler; what it refuses becomes such an answer. Faults of our own go on to where they are logged. */
export async function withForeignErrors(c: AppContext, handle: () => Promise<Response>): Promise<Response> {
  try {
    return await handle();
  } catch (error) {
    const { code, status, headers, body } = toProblem(error, c.var.traceId);
    if (status >= 500 && status !== 503) throw error;
    c.set("problem", code);
    const problem = JSON.parse(body) as { detail: string };
    const type = TYPES.get(status) ?? "server_error";
    const answer = { ...problem, error: { message: problem.detail, type, code: null, param: null } };
    return new Response(JSON.stringify(answer), {
      status,
      headers: { ...headers, "content-type": "application/json" },
    });
  }
}
