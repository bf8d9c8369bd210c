/**
 * The SDK: asks an Affidavit service, and verifies every answer before handing it out. Runs in Node and in browsers.
 * Fails closed: without a receipt that verifies under the policy there is no answer, only an AffidavitError.
 */
import { CollateralCache } from "../attestation/index.ts";
import { concat, equal, fromUtf8, hmacSha256, sha256, toHex, toHex0x, utf8 } from "../codec/index.ts";
import {
  encodeInferRequest,
  parseCanonicalManifest,
  parseInferResponse,
  type Manifest,
  type RequestedOutput,
  parseExecutionRecord,
  type ExecutionRecord,
} from "../models/client.ts";
import {
  audienceDigest,
  canonicalTensors,
  documentDigest,
  parseBundle,
  parseReceiptHeader,
  statementDigest,
  type AttestationDocument,
  type Body,
  type PrivatePart,
  type ReceiptBundle,
  type Tensor,
} from "../receipts/index.ts";
import { Attestations, type Attested } from "./attestations.ts";
import { openingBody, type ChainOpening } from "./chain/opening.ts";
import { AffidavitError } from "./errors.ts";
import {
  checkOptions,
  inferPath,
  promiseOf,
  proofIdOf,
  requestHeaders,
  responseBody,
  type Assurance,
  type PromiseKind,
} from "./infer-exchange.ts";
import type { ClientPolicy } from "./policy.ts";
import { preparing, reading, refuse, rejectRequest } from "./refusals.ts";
import { Sender } from "./sender.ts";
import { Transport } from "./transport.ts";
import { verifyReceipt } from "./verify.ts";
import type { Verification } from "./verification.ts";

/** As for the texts of a bundle, in UTF-16 units. */
const MAX_DOCUMENT_LENGTH = 1024 * 1024;
const MAX_DOCUMENTS = 256;

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
  /** False sends requests as they are, for whoever ends TLS to read; true where left out. */
  seal?: boolean;
}

export interface InferOptions {
  /** The allowance that pays, by its id (32 bytes). */
  allowance?: Uint8Array;
  version?: string | undefined;
  /** Asks for these outputs alone. */
  outputs?: RequestedOutput[];
  /** Sends and asks for tensors in binary form: smaller, faster, and the only form that carries NaN. */
  binary?: boolean;
  /** SHA-256 of the manifest that the input was prepared for, 32 bytes: an answer of any other model is refused. */
  modelId?: Uint8Array;
  /**
   * 32 bytes. Where left out it is drawn at random, or, with an `idempotencyKey`, made of API key, idempotency key and body,
   * so that a retry repeats it without anyone else being able to guess it.
   */
  salt?: Uint8Array;
  /** The contract that the receipt is for. */
  audience?: { chainId: bigint; address: Uint8Array };
  idempotencyKey?: string;
  /** What the answer is to rest on beside the TEE; a receipt that does not promise it is refused. */
  assurance?: Assurance;
  /** US dollars that hang on the answer, such as `1250.50`: above the operator's threshold a proof is demanded. */
  valueAtRiskUsd?: string;
  /** Anybody may learn the input: workers that nobody attested may prove it. Needs a client with `seal` false. */
  publicInput?: boolean;
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
  /**
   * Where the model ran: the attested code's word, under the statement's `executionDigest`. Undefined where the record is
   * of a form that this client does not read; its text is `receipt.execution`.
   */
  execution: ExecutionRecord | undefined;
  verification: Verification;
  /** What was promised beside it, for `GET /v1/proofs/{id}` or `/v1/reexecutions/{id}`. */
  promise: { kind: PromiseKind; id: string } | undefined;
}

export interface Client {
  /** The service's base URL, without a slash at its end. */
  readonly url: string;
  /** Tensors in, verified tensors out. @throws AffidavitError */
  infer(model: string, inputs: Tensor[], options?: InferOptions): Promise<InferResult>;
  /** The same for a body that is an Open Inference request already. @throws AffidavitError */
  inferBody(model: string, body: Body, options?: InferOptions): Promise<InferResult>;
  /** The service's keyset with evidence over a nonce of our own, verified. @throws AffidavitError */
  attestation(signal?: AbortSignal): Promise<{ document: AttestationDocument; verification: Verification }>;
  /**
   * A model's manifest as the server tells it: enough to prepare an input. Only a receipt shows that it is the model's. An alias
   * leads to the model that it names, which to ask for by its own name: receipts are held against that.
   * @throws AffidavitError
   */
  manifest(model: string, version?: string): Promise<Manifest>;
  /** A stored receipt, by now with its inclusion proof; verified. @throws AffidavitError */
  receipt(
    receiptId: string,
    privatePart?: PrivatePart,
  ): Promise<{ receipt: ReceiptBundle; verification: Verification }>;
  /** Asks for a ZK proof of an answer that promised none. @returns its id @throws AffidavitError */
  prove(receiptId: string, privatePart: PrivatePart, signal?: AbortSignal): Promise<string>;
  /**
   * Tells the service how to open the input that a request to a coordinator commits to: sealed, after its evidence held.
   * @returns whether the coordinator knows the request by now: where not, the service keeps the opening for a quarter of an hour
   * @throws AffidavitError
   */
  openChainRequest(opening: ChainOpening, signal?: AbortSignal): Promise<{ asked: boolean }>;
}

/**
 * Reads at first use.
 * @throws TypeError where the URL is not an http or https one without credentials, query and fragment
 * @throws AffidavitError `unauthorized` where the API key cannot be sent
 */
export function createClient(options: ClientOptions): Client {
  return new VerifyingClient(options);
}

/** A row of `GET /v1/models`; the newest version of a name comes first. */
interface ListedModel {
  name: string;
  version: string;
  manifest: string;
}

class VerifyingClient implements Client {
  readonly #transport: Transport;
  readonly #policy: ClientPolicy;
  readonly #now: () => Date;
  readonly #randomBytes: (length: number) => Uint8Array;
  readonly #cache = new CollateralCache();
  readonly #documents = new Map<string, string>();
  readonly #attestations: Attestations;
  readonly #sender: Sender;
  readonly #seals: boolean;
  readonly #apiKey: string | undefined;
  readonly url: string;

  constructor(options: ClientOptions) {
    this.#transport = new Transport(options);
    this.url = this.#transport.base;
    this.#apiKey = options.apiKey;
    this.#policy = options.policy ?? {};
    this.#now = options.now ?? (() => new Date());
    this.#randomBytes = options.randomBytes ?? ((length) => crypto.getRandomValues(new Uint8Array(length)));
    this.#attestations = new Attestations({
      transport: this.#transport,
      policy: this.#policy,
      now: this.#now,
      randomBytes: this.#randomBytes,
      cache: this.#cache,
    });
    this.#seals = options.seal ?? true;
    this.#sender = new Sender(this.#transport, this.#attestations, this.#seals);
  }

  async infer(model: string, inputs: Tensor[], options: InferOptions = {}): Promise<InferResult> {
    const { outputs, binary = false } = options;
    const message = preparing(() => {
      // Refuses what no encoding of the request could carry, before anything is sent.
      canonicalTensors(inputs);
      return encodeInferRequest({ inputs, outputs, binaryOutput: binary }, { binary });
    });
    const { body: bytes, contentType, headerLength } = message;
    return await this.inferBody(model, { bytes, contentType, headerLength: headerLength ?? null }, options);
  }

  async inferBody(model: string, request: Body, options: InferOptions = {}): Promise<InferResult> {
    checkOptions(options);
    if (options.publicInput && this.#seals)
      rejectRequest(
        "a sealed request's input is not public: use a client with seal false",
        "public_input_sealed",
      );
    const { audience, signal, version, idempotencyKey } = options;
    const salt = options.salt ?? this.#makeSalt(request, idempotencyKey);
    const headers = requestHeaders(request, options);
    const answer = await this.#sender.post(inferPath(model, version), { headers, request, salt, signal });
    const header = answer.headers.get("affidavit-receipt");
    const requester = answer.headers.get("affidavit-requester");
    if (header === null || requester === null) {
      throw new AffidavitError("receipt_missing", "the answer came without a receipt");
    }
    const privatePart = { salt, requester, request, response: responseBody(answer.headers, answer.body) };
    const { receipt, fresh } = await this.#assemble(header, options);
    const listed = await this.#attestations.revocations(signal);
    const { modelId } = options;
    const verification = verifyReceipt(receipt, {
      now: this.#now(),
      policy: { ...this.#policy, requireInclusion: false },
      privatePart,
      fresh,
      ...listed,
      cache: this.#cache,
      expect: {
        model: { name: model, version },
        ...(modelId === undefined ? {} : { modelId }),
        audience: audience ? audienceDigest(audience.chainId, audience.address) : new Uint8Array(32),
      },
    });
    refuse(verification, "receipt_rejected");
    const promise = promiseOf(answer.headers, receipt.statement, options.assurance);
    const { bytes, headerLength } = privatePart.response;
    const { outputs } = parseInferResponse(bytes, headerLength ?? undefined);
    const manifest = JSON.parse(receipt.manifest) as Manifest;
    const execution = parseExecutionRecord(receipt.execution);
    return {
      outputs,
      manifest,
      receiptId: receiptIdOf(receipt),
      receipt,
      privatePart,
      execution,
      verification,
      promise,
    };
  }

  async attestation(
    signal?: AbortSignal,
  ): Promise<{ document: AttestationDocument; verification: Verification }> {
    return await this.#attestations.ask(signal);
  }

  async manifest(model: string, version?: string): Promise<Manifest> {
    const { body } = await this.#transport.send("/v1/models", {});
    const answer: unknown = reading(() => JSON.parse(fromUtf8(body)));
    const models = readModels(answer);
    const found =
      models.find(({ name, version: listed }) => name === model && (version ?? listed) === listed) ??
      (version === undefined ? ofAlias(models, answer, model) : undefined);
    if (!found) rejectRequest("the server has no such model", "model_not_found");
    return reading(() => parseCanonicalManifest(found.manifest));
  }

  async receipt(
    receiptId: string,
    privatePart?: PrivatePart,
  ): Promise<{ receipt: ReceiptBundle; verification: Verification }> {
    const [receipt, listed] = await Promise.all([this.#stored(receiptId), this.#attestations.revocations()]);
    const verification = verifyReceipt(receipt, {
      now: this.#now(),
      policy: this.#policy,
      privatePart,
      ...listed,
      cache: this.#cache,
    });
    refuse(verification, "receipt_rejected");
    return { receipt, verification };
  }

  async prove(receiptId: string, { salt, request }: PrivatePart, signal?: AbortSignal): Promise<string> {
    const path = `/v1/receipts/${encodeURIComponent(receiptId)}/proof`;
    const headers = requestHeaders(request, {});
    return proofIdOf((await this.#sender.post(path, { headers, request, salt, signal })).body);
  }

  async openChainRequest(opening: ChainOpening, signal?: AbortSignal): Promise<{ asked: boolean }> {
    const path = `/v1/chain/requests/${toHex0x(opening.requestId)}/opening`;
    const headers = { "Content-Type": "application/json" };
    const request = { bytes: openingBody(opening), contentType: "application/json", headerLength: null };
    const salt = this.#randomBytes(32);
    const { body } = await this.#sender.post(path, { headers, request, salt, signal });
    const answer = reading(() => JSON.parse(fromUtf8(body)) as { asked?: unknown } | null);
    return { asked: answer?.asked === true };
  }

  #makeSalt(request: Body, idempotencyKey: string | undefined): Uint8Array {
    if (idempotencyKey === undefined || this.#apiKey === undefined) return this.#randomBytes(32);
    const call = concat(sha256(utf8(idempotencyKey)), sha256(request.bytes));
    return hmacSha256(utf8(this.#apiKey), concat(utf8("affidavit.v1.retry-salt"), call));
  }

  /** The bundle of an answer, put together here: statement from its header, keyset as attested, documents by digest. */
  async #assemble(
    header: string,
    { signal, idempotencyKey }: InferOptions,
  ): Promise<{ receipt: ReceiptBundle; fresh?: Attested["fresh"] }> {
    const signed = reading(() => parseReceiptHeader(header));
    if (signed.type !== "InferenceStatement") {
      throw new AffidavitError("receipt_missing", "the answer's receipt is of another kind");
    }
    const { type, statement, signature } = signed;
    const attested = await this.#attestations.of(statement.keysetDigest, signal);
    if (!attested && idempotencyKey !== undefined) {
      // The answer of an earlier call may be replayed, signed under a keyset that has ended since.
      return { receipt: await this.#stored(toHex(statementDigest(type, statement)), signal) };
    }
    const { document, fresh } = attested ?? (await this.#attestations.current(signal));
    const { fresh: _, ...record } = document;
    const [manifest, policy, execution] = await Promise.all(
      [statement.modelId, statement.policyDigest, statement.executionDigest].map((digest) =>
        this.#document(digest, signal),
      ),
    );
    const documents = { manifest: manifest!, policy: policy!, execution: execution! };
    return {
      receipt: { type, statement, signature, receipt: header, ...record, ...documents, inclusion: null },
      fresh,
    };
  }

  async #stored(receiptId: string, signal?: AbortSignal): Promise<ReceiptBundle> {
    const path = `/v1/receipts/${encodeURIComponent(receiptId)}`;
    const { body } = await this.#transport.send(path, { signal });
    const receipt = reading(() => parseBundle(fromUtf8(body)));
    if (receiptIdOf(receipt) !== receiptId.toLowerCase().replace(/^0x/, "")) {
      throw new AffidavitError(
        "server_response_invalid",
        "the server sent another receipt than the one named",
      );
    }
    return receipt;
  }

  async #document(digest: Uint8Array, signal: AbortSignal | undefined): Promise<string> {
    const name = toHex(digest);
    const known = this.#documents.get(name);
    if (known !== undefined) return known;
    const { body } = await this.#transport.send(`/v1/documents/${name}`, { signal });
    const text = reading(() => fromUtf8(body));
    if (text.length > MAX_DOCUMENT_LENGTH) {
      throw new AffidavitError("server_response_invalid", "the server sent a document that is too long");
    }
    if (!equal(documentDigest(text), digest)) {
      throw new AffidavitError(
        "server_response_invalid",
        "the server sent another document than the one named",
      );
    }
    if (this.#documents.size >= MAX_DOCUMENTS) this.#documents.clear();
    this.#documents.set(name, text);
    return text;
  }
}

/** Statement digest in hex. */
function receiptIdOf(receipt: ReceiptBundle): string {
  return toHex(
    receipt.type === "Aborted"
      ? statementDigest(receipt.type, receipt.statement)
      : statementDigest(receipt.type, receipt.statement),
  );
}

/** @throws AffidavitError `server_response_invalid` */
function readModels(value: unknown): ListedModel[] {
  const list: unknown =
    typeof value === "object" && value !== null ? Reflect.get(value, "models") : undefined;
  if (!Array.isArray(list) || !list.every(isListedModel)) {
    throw new AffidavitError("server_response_invalid", "the server's list of models is none");
  }
  return list;
}

/** The model that an alias names. Its id is computed here. */
function ofAlias(models: ListedModel[], answer: unknown, name: string): ListedModel | undefined {
  const aliases: unknown = Reflect.get(answer as object, "aliases");
  if (!Array.isArray(aliases)) return undefined;
  const meant: unknown = aliases.find((one: unknown) => (one as { name?: unknown } | null)?.name === name);
  const modelId = (meant as { modelId?: unknown } | undefined)?.modelId;
  return models.find(({ manifest }) => toHex0x(sha256(utf8(manifest))) === modelId);
}

function isListedModel(value: unknown): value is ListedModel {
  if (typeof value !== "object" || value === null) return false;
  return ["name", "version", "manifest"].every((member) => typeof Reflect.get(value, member) === "string");
}
