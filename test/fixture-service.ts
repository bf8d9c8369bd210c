/** A service on paper as a `fetch`: answers by the receipt fixture's issuer, each of which a test may change on its way. */
import { randomBytes } from "node:crypto";
import { concat, fromHex, toHex } from "../codec/index.ts";
import {
  attestationToJson,
  documentDigest,
  revocationsToJson,
  serializeBundle,
  statementDigest,
} from "../receipts/index.ts";
import type { ReceiptBundle, Revocation } from "../receipts/index.ts";
import { EXECUTION_TEXT, MANIFEST_TEXT, POLICY_TEXT } from "./model-fixture.ts";
import { SealedExchange } from "../service/sealed/exchange.ts";
import { createIssuer, REQUESTER, type Call, type Issuer } from "./receipt-fixture.ts";

/** As unsealed: with the salt in its plain form. */
export interface Heard {
  path: string;
  headers: Headers;
  body: Uint8Array;
  wasSealed: boolean;
}

export interface FixtureService {
  fetch: typeof fetch;
  /** Every request, in order. */
  heard: Heard[];
  /** Signs from now on; the service attests it from now on. */
  issuer: Issuer;
  /** The list, from now on. */
  revocations: Revocation[];
  /** What an inference answers with instead of the fixture's own. */
  call: Call;
  /** What becomes of an answer before it is sealed. */
  tamper: (path: string, answer: Response) => Response | Promise<Response>;
}

const DOCUMENTS = new Map(
  [MANIFEST_TEXT, POLICY_TEXT, EXECUTION_TEXT].map((text) => [toHex(documentDigest(text)), text]),
);

/** What a request says once its body and salt are unsealed, where they were sealed. */
function openExchange(
  { opener }: Issuer,
  headers: Headers,
  body: Uint8Array,
): { exchange?: SealedExchange; headers: Headers; plain: Uint8Array } {
  const text = headers.get("ehbp-encapsulated-key");
  if (text === null) return { headers, plain: body };
  const encapsulatedKey = fromHex(text, 32);
  const sealedSalt = fromHex(headers.get("affidavit-salt")!, 80);
  const keys = opener.exportKeys({ protocol: "ehbp", keyId: null, aeadId: 2, encapsulatedKey, sealedSalt });
  const exchange = new SealedExchange({ keys, encapsulatedKey, randomBytes });
  const chunks: Uint8Array[] = [];
  const bodyOpener = exchange.bodyOpener();
  bodyOpener.push(body, chunks);
  bodyOpener.end();
  const unsealed = new Headers(headers);
  unsealed.set("affidavit-salt", toHex(exchange.salt!));
  return { exchange, headers: unsealed, plain: concat(...chunks) };
}

export async function createFixtureService(): Promise<FixtureService> {
  const stored = new Map<string, ReceiptBundle>();

  async function answer({ path, headers, body }: Heard): Promise<Response> {
    const url = new URL(path, "http://fixture.test");
    if (url.pathname === "/v1/attestation") {
      const nonce = fromHex(url.searchParams.get("nonce")!, 32);
      return Response.json(attestationToJson(await service.issuer.attestation(nonce)));
    }
    if (url.pathname === "/v1/revocations") return Response.json(revocationsToJson(service.revocations));
    if (url.pathname === "/v1/models") {
      return Response.json({ models: [{ name: "fixture", version: "1.0.0", manifest: MANIFEST_TEXT }] });
    }
    const name = url.pathname.slice(url.pathname.lastIndexOf("/") + 1);
    if (url.pathname.startsWith("/v1/documents/")) {
      const text = DOCUMENTS.get(name);
      return text === undefined
        ? Response.json({ code: "document_not_found" }, { status: 404 })
        : new Response(text);
    }
    if (url.pathname.startsWith("/v1/receipts/")) {
      const bundle = stored.get(name);
      return bundle === undefined
        ? Response.json({ code: "receipt_not_found" }, { status: 404 })
        : new Response(serializeBundle(bundle));
    }
    const length = headers.get("inference-header-content-length");
    const request = {
      bytes: body,
      contentType: headers.get("content-type")!,
      headerLength: length === null ? null : Number(length),
    };
    const salt = fromHex(headers.get("affidavit-salt")!, 32);
    const { bundle, privatePart } = service.issuer.issue({}, { request, salt, ...service.call });
    const id = toHex(statementDigest("InferenceStatement", bundle.statement));
    stored.set(id, bundle);
    const { response } = privatePart;
    return new Response(response.bytes as Uint8Array<ArrayBuffer>, {
      headers: {
        "Content-Type": response.contentType,
        "Affidavit-Receipt": bundle.receipt,
        "Affidavit-Receipt-Id": id,
        "Affidavit-Requester": REQUESTER,
        ...(response.headerLength === null
          ? {}
          : { "Inference-Header-Content-Length": String(response.headerLength) }),
      },
    });
  }

  const service: FixtureService = {
    issuer: await createIssuer(),
    revocations: [],
    heard: [],
    call: {},
    tamper: (_, given) => given,
    fetch: async (input, init) => {
      init?.signal?.throwIfAborted();
      const { pathname, search } = new URL(String(input));
      const body = new Uint8Array((init?.body as Uint8Array<ArrayBuffer> | null) ?? new Uint8Array(0));
      const sealed = openExchange(service.issuer, new Headers(init?.headers), body);
      const { headers, plain } = sealed;
      const heard = {
        path: pathname + search,
        headers,
        body: plain,
        wasSealed: sealed.exchange !== undefined,
      };
      service.heard.push(heard);
      const given = await service.tamper(pathname, await answer(heard));
      return sealed.exchange ? await sealed.exchange.seal(given) : given;
    },
  };
  return service;
}

/** The same answer with another body or other headers. */
export async function changed(
  given: Response,
  change: { body?: (text: string) => string; headers?: Record<string, string | null>; status?: number },
): Promise<Response> {
  const text = await given.text();
  const headers = new Headers(given.headers);
  for (const [name, value] of Object.entries(change.headers ?? {})) {
    if (value === null) headers.delete(name);
    else headers.set(name, value);
  }
  return new Response(change.body ? change.body(text) : text, { status: change.status ?? 200, headers });
}
