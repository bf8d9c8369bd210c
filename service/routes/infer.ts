/**
 * The infer endpoint. Its schema is registered for the reference alone: bodies are tensors, read by the codec of
 * `models/oip`, and the answer's bytes go out as the pipeline made them, since the receipt holds their hash.
 */
import { createRoute, z } from "@hono/zod-openapi";
import { deprecationHeaders, refuseSunset } from "../deprecation.ts";
import type { Authenticator } from "../middleware/authenticate.ts";
import { readBody } from "../middleware/body.ts";
import { withDeadline } from "../middleware/deadline.ts";
import type { App, AppContext } from "../middleware/env.ts";
import { Budget } from "../middleware/lifecycle.ts";
import { sealable } from "../middleware/sealable.ts";
import { problemCode } from "../problem.ts";
import type { InferAnswer, Services } from "../services.ts";
import type { Outcome } from "../tenants/index.ts";
import { readInferHeaders } from "./infer-headers.ts";
import { KEY_SECURITY, modelParams, modelVersionParams, problems } from "./schemas.ts";

const parameters = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));
const tensor = z.object({
  name: z.string(),
  datatype: z.string(),
  shape: z.array(z.int()),
  parameters: parameters.optional(),
  data: z.array(z.any()).optional(),
});
const requestSchema = z
  .object({
    id: z.string().optional(),
    parameters: parameters.optional(),
    inputs: z.array(tensor),
    outputs: z.array(z.object({ name: z.string(), parameters: parameters.optional() })).optional(),
  })
  .openapi("InferRequest");
const responseSchema = z
  .object({
    model_name: z.string(),
    model_version: z.string(),
    id: z.string().optional(),
    outputs: z.array(tensor),
  })
  .openapi("InferResponse");
const octets = z.string().openapi({ format: "binary", description: "JSON part, then the tensors' raw data" });

const headers = z.object({
  "affidavit-salt": z.string().optional().openapi({
    description:
      "32 bytes in hex that blind the receipt's hashes; under EHBP sealed, as docs/spec/sealed.md says",
  }),
  "ehbp-encapsulated-key": z
    .string()
    .optional()
    .openapi({ description: "The body is sealed (EHBP): HPKE's encapsulated key in hex" }),
  "affidavit-audience": z
    .string()
    .optional()
    .openapi({ description: "CHAIN_ID:0xADDRESS of the contract it is for" }),
  "affidavit-assurance": z.string().optional().openapi({
    description:
      "tee (the default), tee+zk (a ZK proof follows) or tee+reexecution (it is run again elsewhere), as far as the model's manifest allows",
  }),
  "affidavit-value-at-risk": z.string().optional().openapi({
    description:
      "US dollars that hang on the answer, such as 1250.50: above the operator's threshold a proof is demanded, and dearer proofs come first",
  }),
  "affidavit-public-input": z.string().optional().openapi({
    description:
      "true: anybody may learn the input, so that workers without attestation may prove it. Not with a sealed request",
  }),
  "affidavit-allowance": z
    .string()
    .optional()
    .openapi({ description: "The allowance that pays, by its id: GET /v1/accounts/{id}/allowances" }),
  "idempotency-key": z
    .string()
    .optional()
    .openapi({ description: "The same key gets the same answer again, for a day" }),
  "inference-header-content-length": z.string().optional().openapi({ description: "Bytes of the JSON part" }),
});
const text = (description: string) => ({ description, schema: { type: "string" as const } });
const documented = {
  tags: ["Open Inference"],
  summary: "Infer, with a receipt",
  security: KEY_SECURITY,
  responses: {
    200: {
      description: "The outputs; the receipt is in the headers",
      headers: {
        "Affidavit-Receipt": text("Statement and signature, base64url"),
        "Affidavit-Receipt-Id": text("For GET /v1/receipts/{id}"),
        "Affidavit-Salt": text("The salt that opens the statement's hashes"),
        "Affidavit-Proof-Id": text("Under tee+zk, for GET /v1/proofs/{id}"),
        "Affidavit-Reexecution-Id": text("Under tee+reexecution, for GET /v1/reexecutions/{id}"),
        "Inference-Header-Content-Length": text("Bytes of the JSON part, where binary data follows"),
      },
      content: {
        "application/json": { schema: responseSchema },
        "application/octet-stream": { schema: octets },
      },
    },
    ...problems(
      "unauthenticated",
      "api_key_invalid",
      "scope_missing",
      "tenant_suspended",
      "rate_limited",
      "concurrency_limited",
      "quota_exceeded",
      "request_header_invalid",
      "content_type_unsupported",
      "request_body_too_large",
      "request_encoding_unsupported",
      "request_encoding_invalid",
      "request_inflates_too_much",
      "oip_not_json",
      "oip_datatype_unsupported",
      "oip_not_finite",
      "model_not_found",
      "model_sunset",
      "input_name_unknown",
      "input_shape_mismatch",
      "input_datatype_mismatch",
      "input_not_finite",
      "engine_overloaded",
      "engine_timeout",
      "engine_crashed",
      "service_overloaded",
      "request_timeout",
      "idempotency_conflict",
      "idempotency_in_progress",
      "idempotency_expired",
      "sealed_key_unknown",
      "sealed_body_invalid",
      "sealed_replayed",
      "assurance_unsupported",
      "assurance_too_low",
      "circuit_missing",
      "circuit_shape_mismatch",
      "circuit_input_out_of_range",
      "prover_unavailable",
      "promise_limit",
      "jobs_unsupported",
      "balances_off",
      "allowance_not_found",
      "allowance_waiting",
      "allowance_closed",
      "vault_allowance_insufficient",
      "vault_allowance_expired",
      "vault_allowance_elsewhere",
      "vault_price_missing",
    ),
  },
};
const body = {
  required: true,
  content: { "application/json": { schema: requestSchema }, "application/octet-stream": { schema: octets } },
};
const route = createRoute({
  ...documented,
  method: "post",
  path: "/v2/models/{name}/infer",
  request: { params: modelParams, headers, body },
});
const versionRoute = createRoute({
  ...documented,
  method: "post",
  path: "/v2/models/{name}/versions/{version}/infer",
  request: { params: modelVersionParams, headers, body },
});

export function infer(app: App, services: Services, authenticator: Authenticator): void {
  const { limits } = services;
  const places = new Budget(limits.maxInFlight, "inferences");
  const heldBytes = new Budget(limits.maxHeldBodyBytes, "bytes of request bodies");
  const bodyLimits = {
    maxBytes: limits.maxBodyBytes,
    maxInflateRatio: limits.maxInflateRatio,
    budget: heldBytes,
  };

  async function answer(c: AppContext, signal: AbortSignal, outcome: Outcome): Promise<InferAnswer> {
    const read = readInferHeaders(c);
    const { bytes, release } = await readBody(c, bodyLimits);
    outcome.inputBytes = bytes.length;
    try {
      signal.throwIfAborted();
      return await services.pipeline.infer({
        account: c.var.account,
        traceId: c.var.traceId,
        modelName: c.req.param("name")!,
        modelVersion: c.req.param("version"),
        path: c.req.path,
        body: bytes,
        ...read,
        signal,
      });
    } finally {
      release();
    }
  }

  async function held(c: AppContext, signal: AbortSignal, outcome: Outcome): Promise<InferAnswer> {
    // The place is kept until the work has really ended, also where the caller was answered before.
    places.take(1);
    try {
      return await answer(c, signal, outcome);
    } finally {
      places.giveBack(1);
    }
  }

  /** Within the tenant's limits, before anything of the body is read. */
  async function metered(c: AppContext, signal: AbortSignal): Promise<InferAnswer> {
    const { tenantId } = c.var.account;
    const model = services.models.get(c.req.param("name")!, c.req.param("version"), tenantId);
    const deprecation = model && services.models.deprecation(model);
    refuseSunset(deprecation, services.nowMs());
    const admission = await services.tenants.admit(tenantId);
    const outcome = { answered: false, inputBytes: 0, outputBytes: 0 };
    try {
      const given = await held(c, signal, outcome);
      outcome.answered = true;
      outcome.outputBytes = given.body.length;
      const told = { ...given.headers, ...admission.headers, ...deprecationHeaders(deprecation) };
      return { ...given, headers: told };
    } finally {
      admission.end(outcome);
    }
  }

  async function handle(c: AppContext): Promise<Response> {
    const count = counter(services, c);
    try {
      const {
        status,
        headers: given,
        body: bytes,
      } = await withDeadline(c, limits.requestTimeoutMs, (signal) =>
        services.lifecycle.during(() => metered(c, signal)),
      );
      count("ok");
      const sent = {
        ...given,
        "cache-control": "no-store, no-transform",
        "content-length": String(bytes.length),
      };
      return new Response(bytes as Uint8Array<ArrayBuffer>, { status, headers: sent });
    } catch (error) {
      count(problemCode(error));
      throw error;
    }
  }

  for (const each of [route, versionRoute]) {
    app.openAPIRegistry.registerPath(each);
    app.post(each.getRoutingPath(), authenticator.requires("infer"), sealable(services), (c) => handle(c));
  }
}

/** Labels come from a manifest that everybody may see: a caller cannot make new ones, and no private name is told. */
function counter({ models, metrics }: Services, c: AppContext): (outcome: string) => void {
  const manifest = models.get(c.req.param("name")!, c.req.param("version"), undefined)?.manifest;
  return (outcome) => metrics.inference(manifest?.name ?? "unknown", manifest?.version ?? "unknown", outcome);
}
