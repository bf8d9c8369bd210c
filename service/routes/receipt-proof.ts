/** A proof asked for later: the request again, with its salt, opens the receipt's input. */
import { createRoute, z } from "@hono/zod-openapi";
import type { Authenticator } from "../middleware/authenticate.ts";
import { readBody } from "../middleware/body.ts";
import { withDeadline } from "../middleware/deadline.ts";
import type { App, AppContext } from "../middleware/env.ts";
import { refuseInvalid } from "../middleware/failure.ts";
import { Budget } from "../middleware/lifecycle.ts";
import { sealable } from "../middleware/sealable.ts";
import type { Services } from "../services.ts";
import { readInferHeaders } from "./infer-headers.ts";
import { promiseSchema, promiseToJson } from "./promises.ts";
import { requireOwner, waitForInclusion } from "./receipt.ts";
import { KEY_SECURITY, problems, receiptParams } from "./schemas.ts";

/** Bodies held at one time. */
const MAX_HELD_BYTES = 256 * 1024 * 1024;

const route = createRoute({
  method: "post",
  path: "/v1/receipts/{id}/proof",
  tags: ["Assurance"],
  summary: "Ask for a ZK proof of an answer that promised none",
  description:
    "Send the request of the answer again, with its `Affidavit-Salt` where you chose it and its `Inference-Header-Content-Length`: the vault checks that they open the receipt's input. Asked again, it names the proof that is on its way or delivered.",
  security: KEY_SECURITY,
  request: {
    params: receiptParams,
    headers: z.object({
      "affidavit-salt": z.string().optional(),
      "affidavit-public-input": z.string().optional(),
    }),
    body: {
      required: true,
      content: {
        "application/json": { schema: z.looseObject({}) },
        "application/octet-stream": { schema: z.string().openapi({ format: "binary" }) },
      },
    },
  },
  responses: {
    200: { description: "The proof", content: { "application/json": { schema: promiseSchema } } },
    ...problems(
      "unauthenticated",
      "api_key_invalid",
      "scope_missing",
      "receipt_not_found",
      "request_header_invalid",
      "model_not_found",
      "assurance_unsupported",
      "circuit_missing",
      "circuit_shape_mismatch",
      "circuit_input_out_of_range",
      "vault_opening_mismatch",
      "vault_circuit_input_invalid",
      "prover_unavailable",
      "inclusion_pending",
      "promise_limit",
      "jobs_unsupported",
    ),
  },
});

export function receiptProof(app: App, services: Services, authenticator: Authenticator): void {
  const { limits } = services;
  const budget = new Budget(MAX_HELD_BYTES, "bytes of request bodies");
  const bodyLimits = { maxBytes: limits.maxBodyBytes, maxInflateRatio: limits.maxInflateRatio, budget };

  async function ask(c: AppContext, receiptId: string, signal: AbortSignal) {
    const { salt, headerLength, wish } = readInferHeaders(c);
    const { publicInput } = wish;
    const { bytes: body, release } = await readBody(c, bodyLimits);
    try {
      await waitForInclusion(c, services, receiptId);
      const opening = { body, headerLength, salt, publicInput, signal };
      return await services.assurances.prove(c.var.account, receiptId, opening);
    } finally {
      release();
    }
  }

  // Read by hand, as an inference is.
  app.openAPIRegistry.registerPath(route);
  app.post(route.getRoutingPath(), authenticator.requires("infer"), sealable(services), async (c) => {
    const params = receiptParams.safeParse(c.req.param());
    refuseInvalid({ ...params, target: "param" });
    const { id } = params.data!;
    await requireOwner(c, services, authenticator, id);
    const view = await withDeadline(c, limits.requestTimeoutMs, (signal) =>
      services.lifecycle.during(() => ask(c, id, signal)),
    );
    return c.json(promiseToJson(view), 200, { "cache-control": "no-store" });
  });
}
