/**
 * Cross-origin access for browsers: any origin may call, since callers identify themselves by a key that they add and
 * never by a cookie. Requests may carry, and scripts may read, every header of the service.
 */
import type { MiddlewareHandler } from "hono";
import type { AppEnv } from "./env.ts";

const ALLOWED = new Set([
  "accept",
  "authorization",
  "content-encoding",
  "content-type",
  "idempotency-key",
  "inference-header-content-length",
  "x-api-key",
  "x-request-id",
]);
const OWN_HEADER = /^(affidavit|ehbp)-[a-z0-9-]{1,64}$/;

/** `*` covers what is not listed; browsers that do not know it read the list. */
const EXPOSED = [
  "Affidavit-Receipt",
  "Affidavit-Receipt-Id",
  "Affidavit-Salt",
  "Affidavit-Keyset",
  "Affidavit-Proof-Id",
  "Affidavit-Reexecution-Id",
  "Affidavit-Requester",
  "Deprecation",
  "Ehbp-Encapsulated-Key",
  "Ehbp-Response-Nonce",
  "Inference-Header-Content-Length",
  "Idempotency-Replayed",
  "RateLimit",
  "RateLimit-Policy",
  "Retry-After",
  "Sunset",
  "X-ACI-Keyset-Digest",
  "X-ACI-Version",
  "X-Receipt-Id",
  "X-Request-Id",
  "*",
].join(", ");

const MAX_AGE_SECONDS = 7200;

export function cors(): MiddlewareHandler<AppEnv> {
  return async (c, next) => {
    if (c.req.method === "OPTIONS" && c.req.header("access-control-request-method") !== undefined) {
      return c.body(null, 204, {
        "access-control-allow-origin": "*",
        "access-control-allow-methods": "GET, HEAD, POST",
        "access-control-allow-headers": allowedOf(c.req.header("access-control-request-headers")),
        "access-control-max-age": String(MAX_AGE_SECONDS),
      });
    }
    await next();
    c.res.headers.set("access-control-allow-origin", "*");
    c.res.headers.set("access-control-expose-headers", EXPOSED);
    return undefined;
  };
}

function allowedOf(requested: string | undefined): string {
  if (requested === undefined || requested.length > 4096) return [...ALLOWED].join(", ");
  const names = requested
    .toLowerCase()
    .split(",")
    .map((name) => name.trim());
  return names.filter((name) => ALLOWED.has(name) || OWN_HEADER.test(name)).join(", ");
}
