/** An inference as HTTP: path, headers, and what the answer's headers say of its body. */
import { toHex0x } from "../codec/index.ts";
import type { Body } from "../receipts/index.ts";
import type { InferOptions } from "./client.ts";
import { AffidavitError } from "./errors.ts";
import { rejectRequest } from "./refusals.ts";

const MAX_CHAIN_ID = 2n ** 256n - 1n;

export function inferPath(model: string, version: string | undefined): string {
  const named = version === undefined ? "" : `/versions/${encodeURIComponent(version)}`;
  return `/v2/models/${encodeURIComponent(model)}${named}/infer`;
}

export function requestHeaders(request: Body, options: InferOptions): Record<string, string> {
  const headers: Record<string, string> = { "Content-Type": request.contentType };
  if (request.headerLength !== null)
    headers["Inference-Header-Content-Length"] = String(request.headerLength);
  const { audience, idempotencyKey } = options;
  if (audience) headers["Affidavit-Audience"] = `${audience.chainId}:${toHex0x(audience.address)}`;
  if (idempotencyKey !== undefined) headers["Idempotency-Key"] = idempotencyKey;
  return headers;
}

/** Only the bytes are in the receipt, so what else is said of them is what follows from their form. */
export function responseBody(headers: Headers, bytes: Uint8Array): Body {
  const length = headers.get("inference-header-content-length");
  if (length === null) return { bytes, contentType: "application/json", headerLength: null };
  if (!/^\d{1,10}$/.test(length) || Number(length) > bytes.length) {
    throw new AffidavitError("server_response_invalid", "the length of the answer's JSON part is none");
  }
  return { bytes, contentType: "application/octet-stream", headerLength: Number(length) };
}

/** @throws AffidavitError `request_rejected`, before anything is sent */
export function checkOptions({ salt, audience, modelId, idempotencyKey }: InferOptions): void {
  if (salt && salt.length !== 32) rejectRequest("a salt is 32 bytes", "salt_invalid");
  if (modelId && modelId.length !== 32) rejectRequest("a model id is 32 bytes", "model_id_invalid");
  if (
    audience &&
    (audience.address.length !== 20 || audience.chainId < 1n || audience.chainId > MAX_CHAIN_ID)
  ) {
    rejectRequest("an audience is a chain id from 1 and an address of 20 bytes", "audience_invalid");
  }
  if (idempotencyKey !== undefined && !/^[\x21-\x7e]{1,255}$/.test(idempotencyKey)) {
    rejectRequest("an idempotency key is 1 to 255 visible ASCII characters", "idempotency_key_invalid");
  }
}
