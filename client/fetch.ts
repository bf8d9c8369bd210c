/** `fetch` for inference paths of one service that hands out only verified answers. */
import { fromHex } from "../codec/index.ts";
import type { Body } from "../receipts/index.ts";
import type { Client, InferOptions, InferResult } from "./client.ts";
import { AffidavitError } from "./errors.ts";
import { rejectRequest } from "./refusals.ts";

const INFER_PATH = /^\/v2\/models\/([^/]+)(?:\/versions\/([^/]+))?\/infer$/;
const KNOWN_HEADERS = new Set(["affidavit-salt", "affidavit-audience"]);

/**
 * A function like `fetch`, for `POST /v2/models/{name}[/versions/{v}]/infer` of the client's own service: the response's
 * body is what the receipt covers, and `onResult` gets receipt and verification. Any other request is refused, since nothing
 * would verify it. A path alone is of the client's service. `Affidavit-Salt`, `Affidavit-Audience` and `Idempotency-Key` are
 * heeded, credentials are the client's, other headers are not sent.
 * @throws AffidavitError from the returned function
 */
export function verifiedFetch(
  client: Client,
  onResult: (result: InferResult) => void = () => {},
): (input: string | URL | Request, init?: RequestInit) => Promise<Response> {
  return async (input, init) => {
    const request = requestOf(client, input, init);
    const { model, version } = modelOf(client, request);
    const options = optionsOf(request);
    const body = await requestBody(request);
    const result = await client.inferBody(model, body, { ...options, version });
    onResult(result);
    return responseOf(result);
  };
}

function requestOf(client: Client, input: string | URL | Request, init: RequestInit | undefined): Request {
  try {
    const ownPath = typeof input === "string" && input.startsWith("/") && !input.startsWith("//");
    return new Request(ownPath ? client.url + input : input, init);
  } catch (cause) {
    throw new AffidavitError("request_rejected", "this is not a request", {
      detail: "not_verifiable",
      cause,
    });
  }
}

/** @throws AffidavitError `request_rejected`: what another server answered would be verified by nobody */
function modelOf(client: Client, request: Request): { model: string; version: string | undefined } {
  const base = new URL(client.url);
  const { origin, pathname, search } = new URL(request.url);
  const prefix = base.pathname.replace(/\/$/, "");
  const found = pathname.startsWith(prefix) ? INFER_PATH.exec(pathname.slice(prefix.length)) : null;
  if (request.method !== "POST" || origin !== base.origin || !found || search !== "") {
    rejectRequest(
      "verifiedFetch takes inference requests to the client's own service alone",
      "not_verifiable",
    );
  }
  try {
    const [, model, version] = found;
    return {
      model: decodeURIComponent(model!),
      version: version === undefined ? undefined : decodeURIComponent(version),
    };
  } catch {
    return rejectRequest("the path is not well-formed", "not_verifiable");
  }
}

/** @throws AffidavitError `request_rejected` */
function optionsOf({ headers, signal }: Request): InferOptions {
  for (const name of headers.keys()) {
    if (name.startsWith("affidavit-") && !KNOWN_HEADERS.has(name)) {
      rejectRequest("an Affidavit- header is not known", "header_invalid");
    }
  }
  const salt = headers.get("affidavit-salt");
  const audience = headers.get("affidavit-audience");
  const idempotencyKey = headers.get("idempotency-key");
  return {
    signal,
    ...(salt === null ? {} : { salt: readSalt(salt) }),
    ...(audience === null ? {} : { audience: readAudience(audience) }),
    ...(idempotencyKey === null ? {} : { idempotencyKey }),
  };
}

function readSalt(text: string): Uint8Array {
  if (!/^[0-9a-fA-F]{64}$/.test(text)) rejectRequest("Affidavit-Salt is not 64 hex digits", "header_invalid");
  return fromHex(text, 32);
}

function readAudience(text: string): NonNullable<InferOptions["audience"]> {
  const found = /^([1-9][0-9]{0,77}):(0x[0-9a-fA-F]{40})$/.exec(text);
  if (!found) rejectRequest("Affidavit-Audience is not CHAIN_ID:0xADDRESS", "header_invalid");
  return { chainId: BigInt(found[1]!), address: fromHex(found[2]!, 20) };
}

async function requestBody(request: Request): Promise<Body> {
  const length = request.headers.get("inference-header-content-length");
  if (length !== null && !/^\d{1,10}$/.test(length)) {
    rejectRequest("Inference-Header-Content-Length is not a number of bytes", "header_invalid");
  }
  try {
    return {
      bytes: new Uint8Array(await request.arrayBuffer()),
      contentType: request.headers.get("content-type") ?? "application/json",
      headerLength: length === null ? null : Number(length),
    };
  } catch (cause) {
    if (request.signal.aborted) throw new AffidavitError("cancelled", "the call was cancelled", { cause });
    throw new AffidavitError("request_rejected", "the request's body cannot be read", {
      detail: "body_unreadable",
      cause,
    });
  }
}

function responseOf({ privatePart, receiptId, receipt }: InferResult): Response {
  const { bytes, contentType, headerLength } = privatePart.response;
  const headers = new Headers({
    "Content-Type": contentType,
    "Affidavit-Receipt": receipt.receipt,
    "Affidavit-Receipt-Id": receiptId,
  });
  if (headerLength !== null) headers.set("Inference-Header-Content-Length", String(headerLength));
  return new Response(bytes as Uint8Array<ArrayBuffer>, { status: 200, headers });
}
