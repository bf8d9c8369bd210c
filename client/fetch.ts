/** `fetch` for inference paths of one service that hands out only verified answers. */
import type { Body } from "../receipts/index.ts";
import type { Client, InferResult } from "./client.ts";
import { AffidavitError } from "./errors.ts";

const INFER_PATH = /^\/v2\/models\/([^/]+)(?:\/versions\/([^/]+))?\/infer$/;

/**
 * A function like `fetch`, for `POST /v2/models/{name}[/versions/{v}]/infer`: the response's body is what the receipt
 * covers, and `onResult` gets receipt and verification. Any other request is refused, since nothing would verify it.
 * @throws AffidavitError from the returned function
 */
export function verifiedFetch(
  client: Client,
  onResult: (result: InferResult) => void = () => {},
): (input: string | URL | Request, init?: RequestInit) => Promise<Response> {
  return async (input, init) => {
    const request = new Request(input, init);
    const found = INFER_PATH.exec(new URL(request.url).pathname);
    if (request.method !== "POST" || !found) {
      throw new AffidavitError("request_rejected", "verifiedFetch takes inference requests alone", {
        detail: "not_verifiable",
      });
    }
    const body = await requestBody(request);
    const version = found[2] === undefined ? undefined : decodeURIComponent(found[2]);
    const idempotencyKey = request.headers.get("idempotency-key");
    const result = await client.inferBody(decodeURIComponent(found[1]!), body, {
      version,
      signal: request.signal,
      ...(idempotencyKey === null ? {} : { idempotencyKey }),
    });
    onResult(result);
    return responseOf(result);
  };
}

async function requestBody(request: Request): Promise<Body> {
  const length = request.headers.get("inference-header-content-length");
  return {
    bytes: new Uint8Array(await request.arrayBuffer()),
    contentType: request.headers.get("content-type") ?? "application/json",
    headerLength: length === null ? null : Number(length),
  };
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
