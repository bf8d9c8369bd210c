/** The Oblivious HTTP gateway (RFC 9458, at the place of RFC 9540): a relay before it hides from the service who asks. */
import { createRoute, z } from "@hono/zod-openapi";
import { getPath } from "hono/utils/url";
import { encodeKeyConfigs } from "../../sealing/index.ts";
import { GATEWAY_TENANT } from "../db/index.ts";
import { readBody } from "../middleware/body.ts";
import { withDeadline } from "../middleware/deadline.ts";
import type { App, AppContext } from "../middleware/env.ts";
import { Budget } from "../middleware/lifecycle.ts";
import { ServiceError } from "../problem.ts";
import { openEncapsulated, sealAnswer, toFetchRequest } from "../sealed/encapsulation.ts";
import type { Services } from "../services.ts";
import type { Outcome } from "../tenants/index.ts";
import { problems } from "./schemas.ts";

const PATH = "/.well-known/ohttp-gateway";
const REQUEST_TYPE = "message/ohttp-req";
const RESPONSE_TYPE = "message/ohttp-res";
/** Callers here are nameless: what they may have held at one time is a part of what known callers may. One rate is for all. */
const SHARE = 4;

const octets = z.string().openapi({ format: "binary" });
const keysRoute = createRoute({
  method: "get",
  path: PATH,
  tags: ["Sealed requests"],
  summary: "The gateway's HPKE keys",
  description: "Key configurations with their lengths (RFC 9458 section 3.2), the newest first.",
  responses: {
    200: { description: "The configurations", content: { "application/ohttp-keys": { schema: octets } } },
    ...problems("session_unavailable"),
  },
});
const route = createRoute({
  method: "post",
  path: PATH,
  tags: ["Sealed requests"],
  summary: "An encapsulated request to this service",
  description:
    "A binary HTTP request (RFC 9292), sealed. Its API key is inside, in its own Authorization field; scheme and authority are not looked at, since the gateway serves this service alone.",
  request: { body: { required: true, content: { [REQUEST_TYPE]: { schema: octets } } } },
  responses: {
    200: {
      description: "The answer, sealed, whatever its own status",
      content: { [RESPONSE_TYPE]: { schema: octets } },
    },
    ...problems(
      "content_type_unsupported",
      "request_body_too_large",
      "ohttp_key_unknown",
      "ohttp_request_invalid",
      "sealed_replayed",
      "rate_limited",
      "concurrency_limited",
      "service_overloaded",
      "request_timeout",
    ),
  },
});

export function ohttpGateway(app: App, services: Services): void {
  const { limits } = services;
  const places = new Budget(limits.maxInFlight, "encapsulated requests");
  const budget = new Budget(Math.ceil(limits.maxHeldBodyBytes / SHARE), "bytes of encapsulated requests");
  const bodyLimits = { maxBytes: limits.maxBodyBytes, maxInflateRatio: 1, budget };

  async function answer(c: AppContext, signal: AbortSignal, outcome: Outcome): Promise<Uint8Array> {
    const { bytes, release } = await readBody(c, bodyLimits);
    outcome.inputBytes = bytes.length;
    try {
      const { request, keys, encapsulatedKey } = await openEncapsulated(services.sealing, bytes);
      const inner = toFetchRequest(request, signal);
      // As the router reads it: an escaped spelling is the same path.
      if (getPath(inner) === PATH)
        throw new ServiceError("ohttp_request_invalid", "an encapsulated request is not for the gateway");
      const response = await app.fetch(inner, { viaOhttp: true });
      return await sealAnswer(response, { keys, encapsulatedKey, randomBytes: services.randomBytes });
    } finally {
      release();
    }
  }

  app.openapi(
    keysRoute,
    (c) =>
      c.body(encodeKeyConfigs(services.sealing.keys()) as Uint8Array<ArrayBuffer>, 200, {
        "content-type": "application/ohttp-keys",
        "cache-control": "public, max-age=60",
      }) as never,
  );
  app.openAPIRegistry.registerPath(route);
  app.post(PATH, async (c) => {
    if (c.req.header("content-type") !== REQUEST_TYPE)
      throw new ServiceError("content_type_unsupported", `send ${REQUEST_TYPE}`);
    const admission = await services.tenants.admit(GATEWAY_TENANT);
    const outcome = { answered: false, inputBytes: 0, outputBytes: 0 };
    try {
      const body = await withDeadline(c, limits.requestTimeoutMs, (signal) => held(c, signal, outcome));
      return c.body(body as Uint8Array<ArrayBuffer>, 200, {
        "content-type": RESPONSE_TYPE,
        "cache-control": "no-store, no-transform",
      });
    } finally {
      admission.end(outcome);
    }
  });

  async function held(c: AppContext, signal: AbortSignal, outcome: Outcome): Promise<Uint8Array> {
    places.take(1);
    try {
      const body = await answer(c, signal, outcome);
      Object.assign(outcome, { answered: true, outputBytes: body.length });
      return body;
    } finally {
      places.giveBack(1);
    }
  }
}
