/** Uploads of sealed models, in parts, for administrators of the tenant that is to own them. */
import { createRoute, z } from "@hono/zod-openapi";
import { fromHex, toHex0x } from "../../codec/index.ts";
import { brokerUrlSchema } from "../../models/index.ts";
import type { Authenticator } from "../middleware/authenticate.ts";
import { readBody } from "../middleware/body.ts";
import type { App } from "../middleware/env.ts";
import { refuseInvalid } from "../middleware/failure.ts";
import { readJson } from "../middleware/json-body.ts";
import { Budget } from "../middleware/lifecycle.ts";
import type { Services, UploadView } from "../services.ts";
import { hex32, KEY_SECURITY, problems } from "./schemas.ts";

const MAX_MANIFEST_BODY_BYTES = 2 * 1024 * 1024;
const MAX_SIGNATURE_LENGTH = 64 * 1024;
const MAX_PART_BYTES = 8 * 1024 * 1024;
const MAX_HELD_BYTES = 64 * 1024 * 1024;

const uploadSchema = z
  .object({
    id: z.uuid(),
    modelId: z.string(),
    bytes: z.int(),
    receivedBytes: z.int().openapi({ description: "Where the next part starts" }),
    maxPartBytes: z.int(),
    expiresAt: z.iso.datetime(),
  })
  .openapi("ModelUpload");
const bodySchema = z.strictObject({
  manifest: z.string().openapi({ description: "JSON text" }),
  broker: z
    .string()
    .refine((text) => brokerUrlSchema.safeParse(text).success, "https://…, or http://… on the same machine")
    .openapi({ description: "Address of the owner's key broker" }),
  bytes: z
    .int()
    .min(1)
    .max(2 ** 32),
  sha256: hex32.openapi({ description: "Of the sealed file" }),
  signature: z
    .string()
    .max(MAX_SIGNATURE_LENGTH)
    .optional()
    .openapi({ description: "The model's signature, where the operator takes signed models alone" }),
});
const params = z.object({ id: z.uuid() });
const partQuery = z.object({ offset: z.coerce.number().int().min(0) });
const octets = z.string().openapi({ format: "binary" });

const KEY_PROBLEMS = ["unauthenticated", "api_key_invalid", "scope_missing"] as const;
const common = { tags: ["Models"], security: KEY_SECURITY };
const answer = (description: string) => ({
  description,
  content: { "application/json": { schema: uploadSchema } },
});
const begin = createRoute({
  ...common,
  method: "post",
  path: "/v1/models",
  summary: "Begin the upload of a sealed model",
  description: "The same file again answers with the upload that was begun, so that it can go on.",
  request: { body: { required: true, content: { "application/json": { schema: bodySchema } } } },
  responses: {
    201: answer("The upload"),
    ...problems(
      ...KEY_PROBLEMS,
      "request_invalid",
      "broker_not_allowed",
      "model_quota_exceeded",
      "model_exists",
      "model_unsigned",
      "model_signer_unknown",
      "model_signature_malformed",
      "model_signature_invalid",
      "model_files_mismatch",
    ),
  },
});
const show = createRoute({
  ...common,
  method: "get",
  path: "/v1/models/uploads/{id}",
  summary: "How far an upload is",
  request: { params },
  responses: { 200: answer("The upload"), ...problems(...KEY_PROBLEMS, "upload_not_found") },
});
const put = createRoute({
  ...common,
  method: "put",
  path: "/v1/models/uploads/{id}",
  summary: "The next part of a sealed file",
  request: {
    params,
    query: partQuery,
    body: { required: true, content: { "application/octet-stream": { schema: octets } } },
  },
  responses: {
    200: answer("The upload with the part"),
    ...problems(
      ...KEY_PROBLEMS,
      "request_invalid",
      "request_body_too_large",
      "upload_not_found",
      "upload_busy",
      "upload_offset_mismatch",
    ),
  },
});
const complete = createRoute({
  ...common,
  method: "post",
  path: "/v1/models/uploads/{id}/complete",
  summary: "Make a model of a whole upload",
  description: "It is its tenant's alone until that lets others in, and can be used at once.",
  request: { params },
  responses: {
    201: {
      description: "The model",
      content: {
        "application/json": {
          schema: z.object({ name: z.string(), version: z.string(), modelId: z.string() }),
        },
      },
    },
    ...problems(
      ...KEY_PROBLEMS,
      "upload_not_found",
      "upload_busy",
      "upload_incomplete",
      "upload_digest_mismatch",
      "sealed_weights_malformed",
      "model_exists",
    ),
  },
});
const remove = createRoute({
  ...common,
  method: "delete",
  path: "/v1/models/uploads/{id}",
  summary: "Give an upload up",
  request: { params },
  responses: {
    204: { description: "It is gone" },
    ...problems(...KEY_PROBLEMS, "upload_not_found", "upload_busy"),
  },
});

export function modelUploads(app: App, services: Services, authenticator: Authenticator): void {
  const { uploads } = services.privateModels;
  const admin = authenticator.requires("admin");
  const budget = new Budget(MAX_HELD_BYTES, "bytes of uploads");
  const noStore = { "cache-control": "no-store" };
  for (const each of [begin, show, put, complete, remove]) app.openAPIRegistry.registerPath(each);

  app.post(begin.getRoutingPath(), admin, async (c) => {
    const body = await readJson(c, bodySchema, MAX_MANIFEST_BODY_BYTES);
    const { manifest, broker: brokerUrl, bytes, signature } = body;
    const sha256 = fromHex(body.sha256, 32);
    const wanted = { manifest, brokerUrl, bytes, sha256, signature };
    return c.json(toJson(await uploads.begin(c.var.account.tenantId, wanted)), 201, noStore);
  });
  app.get(show.getRoutingPath(), admin, async (c) =>
    c.json(toJson(await uploads.find(c.var.account.tenantId, idOf(c.req.param()))), 200, noStore),
  );
  app.put(put.getRoutingPath(), admin, async (c) => {
    const id = idOf(c.req.param());
    const query = partQuery.safeParse(c.req.query());
    refuseInvalid({ ...query, target: "query" });
    const limits = { maxBytes: MAX_PART_BYTES, maxInflateRatio: 1, budget };
    const { bytes, release } = await readBody(c, limits);
    try {
      const view = await uploads.put(c.var.account.tenantId, id, query.data!.offset, bytes);
      return c.json(toJson(view), 200, noStore);
    } finally {
      release();
    }
  });
  app.post(complete.getRoutingPath(), admin, async (c) => {
    const { tenantId, keyId } = c.var.account;
    const { manifest, modelId } = await uploads.complete(tenantId, idOf(c.req.param()));
    services.log.info({ traceId: c.var.traceId, by: keyId, modelId: toHex0x(modelId) }, "model uploaded");
    const { name, version } = manifest;
    return c.json({ name, version, modelId: toHex0x(modelId) }, 201, noStore);
  });
  app.delete(remove.getRoutingPath(), admin, async (c) => {
    await uploads.remove(c.var.account.tenantId, idOf(c.req.param()));
    return c.body(null, 204);
  });
}

function idOf(given: Record<string, string>): string {
  const read = params.safeParse(given);
  refuseInvalid({ ...read, target: "param" });
  return read.data!.id;
}

function toJson({ id, modelId, bytes, receivedBytes, expiresAt }: UploadView): z.infer<typeof uploadSchema> {
  return {
    id,
    modelId: toHex0x(modelId),
    bytes,
    receivedBytes,
    maxPartBytes: MAX_PART_BYTES,
    expiresAt: expiresAt.toISOString(),
  };
}
