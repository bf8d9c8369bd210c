/** An inference as HTTP: path, headers, and what the answer's headers say of its body. */
import { fromUtf8, toHex0x } from "../codec/index.ts";
import { PROMISED_PROOF, PROMISED_REEXECUTION, type Body } from "../receipts/index.ts";
import type { InferOptions } from "./client.ts";
import { AffidavitError } from "./errors.ts";
import { reading, rejectRequest } from "./refusals.ts";

const MAX_CHAIN_ID = 2n ** 256n - 1n;

export function inferPath(model: string, version: string | undefined): string {
  const named = version === undefined ? "" : `/versions/${encodeURIComponent(version)}`;
  return `/v2/models/${encodeURIComponent(model)}${named}/infer`;
}

export function requestHeaders(request: Body, options: InferOptions): Record<string, string> {
  const headers: Record<string, string> = { "Content-Type": request.contentType };
  if (request.headerLength !== null)
    headers["Inference-Header-Content-Length"] = String(request.headerLength);
  const { audience, idempotencyKey, assurance, valueAtRiskUsd, publicInput, allowance } = options;
  if (allowance !== undefined) headers["Affidavit-Allowance"] = toHex0x(allowance);
  if (assurance !== undefined) headers["Affidavit-Assurance"] = assurance;
  if (valueAtRiskUsd !== undefined) headers["Affidavit-Value-At-Risk"] = valueAtRiskUsd;
  if (publicInput) headers["Affidavit-Public-Input"] = "true";
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
export function checkOptions(options: InferOptions): void {
  const { salt, audience, modelId, idempotencyKey, valueAtRiskUsd, allowance } = options;
  if (allowance && allowance.length !== 32)
    rejectRequest("an allowance's id is 32 bytes", "allowance_invalid");
  if (valueAtRiskUsd !== undefined && !/^(0|[1-9]\d{0,14})(\.\d{1,6})?$/.test(valueAtRiskUsd))
    rejectRequest("a value at risk is an amount of US dollars such as 1250.50", "value_at_risk_invalid");
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

/** The bits that a statement's `promised` must have. */
const PROMISES = { tee: 0, "tee+zk": PROMISED_PROOF, "tee+reexecution": PROMISED_REEXECUTION } as const;

/** What an answer can be asked to rest on beside the TEE. */
export type Assurance = keyof typeof PROMISES;

/**
 * What was promised beside the answer.
 * @throws AffidavitError `receipt_rejected` where the signed statement does not promise what was asked for
 */
export function promiseOf(
  headers: Headers,
  { promised }: { promised: number },
  asked: Assurance | undefined,
): { kind: PromiseKind; id: string } | undefined {
  if (asked !== undefined && (promised & PROMISES[asked]) !== PROMISES[asked]) {
    throw new AffidavitError("receipt_rejected", `the receipt does not promise what ${asked} asks for`, {
      detail: "promise_missing",
    });
  }
  const kind = promised === PROMISED_PROOF ? "proof" : "reexecution";
  const id = headers.get(kind === "proof" ? "affidavit-proof-id" : "affidavit-reexecution-id");
  return promised === 0 || id === null || !UUID.test(id) ? undefined : { kind, id };
}

export type PromiseKind = "proof" | "reexecution";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** The id in an answer to a request for a proof. @throws AffidavitError `server_response_invalid` */
export function proofIdOf(body: Uint8Array): string {
  const answer = reading(() => JSON.parse(fromUtf8(body)) as unknown);
  const id: unknown = typeof answer === "object" && answer !== null ? Reflect.get(answer, "id") : undefined;
  if (typeof id === "string" && UUID.test(id)) return id;
  throw new AffidavitError("server_response_invalid", "the server's answer names no proof");
}
