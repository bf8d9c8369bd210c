import { createRoute, z } from "@hono/zod-openapi";
import { fromHex } from "../../codec/index.ts";
import type { App } from "../middleware/env.ts";
import { refuseInvalid } from "../middleware/failure.ts";
import { readJson } from "../middleware/json-body.ts";
import { sealable } from "../middleware/sealable.ts";
import { ServiceError } from "../problem.ts";
import type { Services } from "../services.ts";
import { chainRequestParams } from "./chain-request.ts";
import { problems } from "./schemas.ts";

/** Of canonical tensors; in base64 a third more. */
const MAX_INPUT_BYTES = 256 * 1024;
const MAX_BODY_BYTES = 384 * 1024;

const bytes = (length: number, description: string) =>
  z
    .string()
    .regex(new RegExp(`^0x[0-9a-fA-F]{${2 * length}}$`), `0x and ${2 * length} hex digits`)
    .openapi({ description: `${description}: ${length} bytes in hex` });

const bodySchema = z
  .strictObject({
    requester: bytes(20, "Whose request it is"),
    nonce: z
      .string()
      .regex(/^(0|[1-9][0-9]{0,18})$/, "a decimal number")
      .openapi({ description: "Of the requester's requests, decimal" }),
    modelId: bytes(32, "The request's model"),
    policyDigest: bytes(32, "The request's policy"),
    circuitInput: bytes(32, "The request's circuit input, or zeros"),
    salt: bytes(32, "The salt that the requester chose"),
    input: z
      .base64()
      .max(4 * Math.ceil(MAX_INPUT_BYTES / 3))
      .openapi({ description: "Canonical tensors in base64, at most 256 KiB of them" }),
  })
  .openapi("ContractsOpening");

const route = createRoute({
  method: "post",
  path: "/v1/chain/requests/{requestId}/opening",
  tags: ["Contracts"],
  summary: "Opens the input that a contract's request commits to",
  description:
    "To a sealed request alone, by EHBP or Oblivious HTTP; no API key is needed. Requester, nonce, terms, input and salt must give the request's id, so that nobody can post another's. It may come before the request is on the chain, and again.",
  request: {
    params: chainRequestParams,
    body: { required: true, content: { "application/json": { schema: bodySchema } } },
  },
  responses: {
    200: {
      description: "It is kept until the request ends; one that no request stands behind yet for 15 minutes",
      content: {
        "application/json": {
          schema: z.object({
            asked: z.boolean().openapi({ description: "Whether the coordinator knows the request" }),
          }),
        },
      },
    },
    ...problems(
      "request_invalid",
      "request_body_too_large",
      "chain_not_answered",
      "chain_request_ended",
      "chain_unavailable",
      "opening_mismatch",
      "opening_limit",
      "model_not_found",
      "input_shape_mismatch",
      "tensor_encoding_invalid",
      "circuit_missing",
      "prover_unavailable",
      "sealing_required",
      "sealed_key_unknown",
      "sealed_body_invalid",
      "sealed_replayed",
      "session_unavailable",
    ),
  },
});

export function chainOpening(app: App, services: Services): void {
  app.openAPIRegistry.registerPath(route);
  app.post(route.getRoutingPath(), sealable(services, { required: true }), async (c) => {
    if (!services.chain) throw new ServiceError("chain_not_answered");
    const params = chainRequestParams.safeParse(c.req.param());
    refuseInvalid({ ...params, target: "param" });
    const { nonce, input, ...hex } = await readJson(c, bodySchema, MAX_BODY_BYTES);
    const read = (name: keyof typeof hex, length: number) =>
      fromHex(hex[name].slice(2).toLowerCase(), length);
    const opening = {
      requester: read("requester", 20),
      nonce: BigInt(nonce),
      modelId: read("modelId", 32),
      policyDigest: read("policyDigest", 32),
      circuitInput: read("circuitInput", 32),
      salt: read("salt", 32),
      input: new Uint8Array(Buffer.from(input, "base64")),
    };
    const requestId = fromHex(params.data!.requestId.slice(2).toLowerCase(), 32);
    const kept = await services.chain.open(requestId, opening);
    return c.json(kept, 200, { "cache-control": "no-store" });
  });
}
