/** Requests of administrators: signed over method, path and body. */
import type { MiddlewareHandler } from "hono";
import { readAdminRequest } from "../../administration/index.ts";
import type { Services } from "../services.ts";
import { readBody } from "./body.ts";
import type { AppContext, AppEnv } from "./env.ts";
import { Budget } from "./lifecycle.ts";

const MAX_BYTES = 16 * 1024;

/** Only what an administrator's key signed passes, once: `c.var.admin` holds it, with the body. */
export function signed({ administration }: Services): MiddlewareHandler<AppEnv> {
  const budget = new Budget(4 * 1024 * 1024, "bytes of administrators' requests");
  return async (c, next) => {
    const { bytes: body, release } = await readBody(c, { maxBytes: MAX_BYTES, maxInflateRatio: 1, budget });
    release();
    const { method } = c.req;
    const sent = { audience: administration.audience, method, path: targetOf(c), body };
    const request = readAdminRequest((name) => c.req.header(name), sent);
    await administration.verify(request);
    c.set("admin", { signed: request, body });
    await next();
  };
}

/** The request's target as it was written: routing reads several spellings as one, and the signature is of one. */
function targetOf(c: AppContext): string {
  const written = c.env?.incoming?.url;
  if (written !== undefined) return written;
  const { pathname, search } = new URL(c.req.url);
  return pathname + search;
}
