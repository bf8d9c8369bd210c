/** Around every request: its id, the log line, metrics, security headers, and the door that closes at shutdown. */
import { routePath } from "hono/route";
import type { MiddlewareHandler } from "hono";
import { toHex } from "../../codec/index.ts";
import { ACI_VERSION, aciHash } from "../../receipts/index.ts";
import { ServiceError } from "../problem.ts";
import type { Services } from "../services.ts";
import type { AppContext, AppEnv } from "./env.ts";
import { problemResponse } from "./failure.ts";

const TRACE_ID = /^[A-Za-z0-9._-]{1,64}$/;

/** What a supervisor still asks during shutdown. */
const ALWAYS_OPEN = new Set(["/livez", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"]);

/** Nothing may be loaded or framed; `/docs` sets its own. */
const CONTENT_SECURITY_POLICY =
  "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

export function envelope(services: Services): MiddlewareHandler<AppEnv> {
  const { lifecycle } = services;
  // Unique, not secret: random once, then counted.
  const instance = toHex(services.randomBytes(8));
  let count = 0;
  const nextTraceId = (): string => instance + (++count).toString(16).padStart(16, "0");
  return async (c, next) => {
    const startedMs = performance.now();
    const given = c.req.header("x-request-id");
    // One that is not well formed is replaced, not refused: proxies make up their own.
    c.set("traceId", given !== undefined && TRACE_ID.test(given) ? given : nextTraceId());
    if (lifecycle.draining && !ALWAYS_OPEN.has(c.req.path)) {
      const refusal = new ServiceError("service_draining", undefined, { headers: { connection: "close" } });
      c.res = problemResponse(c, refusal);
    } else {
      await counted(services, next);
    }
    setHeaders(c, services);
    record(services, c, performance.now() - startedMs);
  };
}

/** What runs is what a shutdown waits for; refusals are not among it, or callers who ask again and again would hold it up. */
async function counted({ lifecycle, metrics }: Services, next: () => Promise<void>): Promise<void> {
  lifecycle.enter();
  metrics.inFlight(lifecycle.running);
  try {
    await next();
  } finally {
    lifecycle.leave();
    metrics.inFlight(lifecycle.running);
  }
}

function setHeaders(c: AppContext, { attestation }: Services): void {
  const { headers } = c.res;
  headers.set("x-aci-version", ACI_VERSION);
  const keysetDigest = attestation.keysetDigest();
  // An answer names the keyset that it was signed under.
  if (keysetDigest && !headers.has("x-aci-keyset-digest"))
    headers.set("x-aci-keyset-digest", aciHash(keysetDigest));
  headers.set("x-request-id", c.var.traceId);
  headers.set("x-content-type-options", "nosniff");
  headers.set("referrer-policy", "no-referrer");
  headers.set("cross-origin-resource-policy", "cross-origin");
  if (!headers.has("content-security-policy"))
    headers.set("content-security-policy", CONTENT_SECURITY_POLICY);
}

/** The route's pattern stands for the path, which holds receipt ids; the query, which holds tokens, is left out. */
function record(services: Services, c: AppContext, tookMs: number): void {
  const route = c.res.status === 404 && c.var.problem === "route_not_found" ? "unmatched" : routePath(c, -1);
  services.metrics.request(c.req.method, route, c.res.status, tookMs / 1000);
  services.log.info(
    {
      traceId: c.var.traceId,
      method: c.req.method.slice(0, 16),
      route,
      status: c.res.status,
      tookMs: Math.round(tookMs * 1000) / 1000,
      account: c.var.account?.accountId,
      problem: c.var.problem,
    },
    "request",
  );
}
