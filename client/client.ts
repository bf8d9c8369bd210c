/**
 * The SDK: asks an Affidavit service, and verifies every answer before handing it out. Runs in Node and in browsers.
 * Fails closed: without a receipt that verifies under the policy there is no answer, only an AffidavitError.
 */
import { CollateralCache } from "../attestation/index.ts";
import { CodecError, equal, fromUtf8, toHex, toHex0x } from "../codec/index.ts";
import {
  encodeInferRequest,
  ModelError,
  parseCanonicalManifest,
  parseInferResponse,
  type Manifest,
  type RequestedOutput,
} from "../models/client.ts";
import {
  audienceDigest,
  documentDigest,
  keysetDigest,
  parseAttestation,
  parseBundle,
  parseReceiptHeader,
  ReceiptError,
  type AttestationDocument,
  type Body,
  type PrivatePart,
  type ReceiptBundle,
  type Tensor,
} from "../receipts/index.ts";
import { AffidavitError } from "./errors.ts";
import type { ClientPolicy } from "./policy.ts";
import { Transport } from "./transport.ts";
import { verifyKeyset, verifyReceipt } from "./verify.ts";
import type { Verification } from "./verification.ts";

/** How long fresh evidence is believed before it is asked for again. */
const ATTESTATION_LIFETIME_MS = 10 * 60_000;

export interface ClientOptions {
  /** The service, such as `https://inference.example`. */
  url: string;
  apiKey?: string | undefined;
  policy?: ClientPolicy;
  /** For tests and for platforms of their own. */
  fetch?: typeof fetch;
  now?: () => Date;
  randomBytes?: (length: number) => Uint8Array;
  /** Bound of one HTTP exchange. */
  timeoutMs?: number;
}

export interface InferOptions {
  version?: string | undefined;
  /** Asks for these outputs alone. */
  outputs?: RequestedOutput[];
  /** Sends and asks for tensors in binary form: smaller, faster, and the only form that carries NaN. */
  binary?: boolean;
  /** 32 bytes; drawn at random where left out. A retry reuses it. */
  salt?: Uint8Array;
  /** The contract that the receipt is for. */
  audience?: { chainId: bigint; address: Uint8Array };
  idempotencyKey?: string;
  signal?: AbortSignal | undefined;
}

export interface InferResult {
  outputs: Tensor[];
  manifest: Manifest;
  /** Statement digest in hex: the receipt's name at the service. */
  receiptId: string;
  /** Shareable: holds neither salt nor bodies. */
  receipt: ReceiptBundle;
  /** Yours alone: whoever has it can open every salted digest of the receipt. */
  privatePart: PrivatePart;
  verification: Verification;
}

export interface Client {
  /** Tensors in, verified tensors out. @throws AffidavitError */
  infer(model: string, inputs: Tensor[], options?: InferOptions): Promise<InferResult>;
  /** The same for a body that is an Open Inference request already. @throws AffidavitError */
  inferBody(model: string, body: Body, options?: InferOptions): Promise<InferResult>;
  /** The service's keyset with evidence over a nonce of our own, verified. @throws AffidavitError */
  attestation(signal?: AbortSignal): Promise<{ document: AttestationDocument; verification: Verification }>;
  /**
   * A model's manifest as the server tells it: enough to prepare an input. Only a receipt shows that it is the model's.
   * @throws AffidavitError
   */
  manifest(model: string, version?: string): Promise<Manifest>;
  /** A stored receipt, by now with its inclusion proof; verified. @throws AffidavitError */
  receipt(
    receiptId: string,
    privatePart?: PrivatePart,
  ): Promise<{ receipt: ReceiptBundle; verification: Verification }>;
}

/** Reads at first use. @throws TypeError where the URL is none */
export function createClient(options: ClientOptions): Client {
  return new VerifyingClient(options);
}

/** A row of `GET /v1/models`; the newest version of a name comes first. */
interface ListedModel {
  name: string;
  version: string;
  manifest: string;
}

interface Attested {
  document: AttestationDocument;
  verification: Verification;
  nonce: Uint8Array;
  digest: Uint8Array;
  untilMs: number;
}

class VerifyingClient implements Client {
  readonly #transport: Transport;
  readonly #policy: ClientPolicy;
  readonly #now: () => Date;
  readonly #randomBytes: (length: number) => Uint8Array;
  readonly #cache = new CollateralCache();
  readonly #documents = new Map<string, string>();
  #attested: Attested | undefined;

  constructor(options: ClientOptions) {
    this.#transport = new Transport(options);
    this.#policy = options.policy ?? {};
    this.#now = options.now ?? (() => new Date());
    this.#randomBytes = options.randomBytes ?? ((length) => crypto.getRandomValues(new Uint8Array(length)));
  }

  async infer(model: string, inputs: Tensor[], options: InferOptions = {}): Promise<InferResult> {
    const { outputs, binary = false } = options;
    const message = encodeInferRequest({ inputs, outputs, binaryOutput: binary }, { binary });
    const { body: bytes, contentType, headerLength } = message;
    return await this.inferBody(model, { bytes, contentType, headerLength: headerLength ?? null }, options);
  }

  async inferBody(model: string, request: Body, options: InferOptions = {}): Promise<InferResult> {
    // Before anything is sent: who is it that would read it?
    await this.#attest(options.signal);
    const salt = options.salt ?? this.#randomBytes(32);
    const answer = await this.#transport.send(inferPath(model, options.version), {
      method: "POST",
      headers: requestHeaders(request, salt, options),
      body: request.bytes as Uint8Array<ArrayBuffer>,
      signal: options.signal,
    });
    const header = answer.headers.get("affidavit-receipt");
    const requester = answer.headers.get("affidavit-requester");
    if (header === null || requester === null) {
      throw new AffidavitError("receipt_missing", "the answer came without a receipt");
    }
    const privatePart = { salt, requester, request, response: responseBody(answer.headers, answer.body) };
    const receipt = await this.#assemble(header, options.signal);
    const { audience } = options;
    const verification = verifyReceipt(receipt, {
      now: this.#now(),
      policy: { ...this.#policy, requireInclusion: false },
      privatePart,
      fresh: this.#fresh(),
      cache: this.#cache,
      expect: {
        model: { name: model, version: options.version },
        audience: audience ? audienceDigest(audience.chainId, audience.address) : new Uint8Array(32),
      },
    });
    refuse(verification, "receipt_rejected");
    const { bytes, headerLength } = privatePart.response;
    const { outputs } = parseInferResponse(bytes, headerLength ?? undefined);
    const manifest = JSON.parse(receipt.manifest) as Manifest;
    const receiptId = answer.headers.get("affidavit-receipt-id") ?? "";
    return { outputs, manifest, receiptId, receipt, privatePart, verification };
  }

  async attestation(
    signal?: AbortSignal,
  ): Promise<{ document: AttestationDocument; verification: Verification }> {
    this.#attested = undefined;
    return await this.#attest(signal);
  }

  async manifest(model: string, version?: string): Promise<Manifest> {
    const { body } = await this.#transport.send("/v1/models", {});
    const { models } = reading(() => JSON.parse(fromUtf8(body)) as { models: ListedModel[] });
    const found = models.find(
      (listed) => listed.name === model && (version ?? listed.version) === listed.version,
    );
    if (!found)
      throw new AffidavitError("request_rejected", "the server has no such model", {
        detail: "model_not_found",
      });
    return reading(() => parseCanonicalManifest(found.manifest));
  }

  async receipt(
    receiptId: string,
    privatePart?: PrivatePart,
  ): Promise<{ receipt: ReceiptBundle; verification: Verification }> {
    const { body } = await this.#transport.send(`/v1/receipts/${encodeURIComponent(receiptId)}`, {});
    const receipt = reading(() => parseBundle(fromUtf8(body)));
    const verification = verifyReceipt(receipt, {
      now: this.#now(),
      policy: this.#policy,
      privatePart,
      cache: this.#cache,
    });
    refuse(verification, "receipt_rejected");
    return { receipt, verification };
  }

  async #attest(signal: AbortSignal | undefined): Promise<Attested> {
    const nowMs = this.#now().getTime();
    if (this.#attested && this.#attested.untilMs > nowMs) return this.#attested;
    const nonce = this.#randomBytes(32);
    const { body } = await this.#transport.send(`/v1/attestation?nonce=${toHex(nonce)}`, { signal });
    const document = reading(() => parseAttestation(fromUtf8(body)));
    if (document.fresh === null) {
      throw new AffidavitError("attestation_invalid", "the server sent no evidence over our nonce");
    }
    const fresh = { evidence: document.fresh, nonce };
    const verification = verifyKeyset(document, {
      now: this.#now(),
      policy: this.#policy,
      fresh,
      cache: this.#cache,
    });
    refuse(verification, "attestation_rejected");
    const untilMs = nowMs + ATTESTATION_LIFETIME_MS;
    this.#attested = { document, verification, nonce, digest: keysetDigest(document.keyset), untilMs };
    return this.#attested;
  }

  #fresh(): { evidence: NonNullable<AttestationDocument["fresh"]>; nonce: Uint8Array } {
    const { document, nonce } = this.#attested!;
    return { evidence: document.fresh!, nonce };
  }

  /** The bundle of an answer, put together here: statement from its header, keyset as attested, documents by digest. */
  async #assemble(header: string, signal: AbortSignal | undefined): Promise<ReceiptBundle> {
    const signed = reading(() => parseReceiptHeader(header));
    if (signed.type !== "InferenceStatement") {
      throw new AffidavitError("receipt_missing", "the answer's receipt is of another kind");
    }
    const { statement, signature } = signed;
    if (!equal(this.#attested!.digest, statement.keysetDigest)) {
      // Renewed, or restarted, since we last looked.
      this.#attested = undefined;
      await this.#attest(signal);
    }
    const { fresh: _, ...record } = this.#attested!.document;
    const [manifest, policy, execution] = await Promise.all(
      [statement.modelId, statement.policyDigest, statement.executionDigest].map((digest) =>
        this.#document(digest, signal),
      ),
    );
    return {
      type: "InferenceStatement",
      statement,
      signature,
      receipt: header,
      ...record,
      manifest: manifest!,
      policy: policy!,
      execution: execution!,
      inclusion: null,
    };
  }

  async #document(digest: Uint8Array, signal: AbortSignal | undefined): Promise<string> {
    const name = toHex(digest);
    const known = this.#documents.get(name);
    if (known !== undefined) return known;
    const { body } = await this.#transport.send(`/v1/documents/${name}`, { signal });
    const text = reading(() => fromUtf8(body));
    if (!equal(documentDigest(text), digest)) {
      throw new AffidavitError(
        "server_response_invalid",
        "the server sent another document than the one named",
      );
    }
    if (this.#documents.size >= 256) this.#documents.clear();
    this.#documents.set(name, text);
    return text;
  }
}

function inferPath(model: string, version: string | undefined): string {
  const named = version === undefined ? "" : `/versions/${encodeURIComponent(version)}`;
  return `/v2/models/${encodeURIComponent(model)}${named}/infer`;
}

function requestHeaders(request: Body, salt: Uint8Array, options: InferOptions): Record<string, string> {
  const headers: Record<string, string> = {
    "Content-Type": request.contentType,
    "Affidavit-Salt": toHex(salt),
  };
  if (request.headerLength !== null)
    headers["Inference-Header-Content-Length"] = String(request.headerLength);
  const { audience, idempotencyKey } = options;
  if (audience) headers["Affidavit-Audience"] = `${audience.chainId}:${toHex0x(audience.address)}`;
  if (idempotencyKey !== undefined) headers["Idempotency-Key"] = idempotencyKey;
  return headers;
}

function responseBody(headers: Headers, bytes: Uint8Array): Body {
  const length = headers.get("inference-header-content-length");
  const headerLength = length !== null && /^\d{1,10}$/.test(length) ? Number(length) : null;
  return { bytes, contentType: headers.get("content-type") ?? "", headerLength };
}

/** What the server sent, read; its refusals become ours. */
function reading<T>(read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof SyntaxError) {
      throw new AffidavitError("server_response_invalid", "the server's answer is not JSON", { cause });
    }
    if (cause instanceof ReceiptError || cause instanceof CodecError || cause instanceof ModelError) {
      throw new AffidavitError("server_response_invalid", cause.message, { detail: cause.code, cause });
    }
    throw cause;
  }
}

function refuse(verification: Verification, code: "receipt_rejected" | "attestation_rejected"): void {
  if (verification.verdict === "accepted") return;
  const { code: detail, message } = verification;
  throw new AffidavitError(code, message, { detail, ...adviceFor(detail), verification });
}

function adviceFor(detail: string): { advice?: string } {
  if (detail === "simulated_refused") {
    return {
      advice:
        "The server runs on a simulated TEE, which proves nothing. To try it out all the same: --allow-simulated.",
    };
  }
  if (detail === "code_identity_unchecked") {
    return {
      advice:
        "The hardware is genuine, but its code was not compared with reference values: give some in the policy, or --allow-unchecked-code.",
    };
  }
  return {};
}
