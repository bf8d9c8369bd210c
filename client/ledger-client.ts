/** An account of encrypted balances over HTTP: what its owner signs here, and what the service says of it. */
import { z } from "zod";
import {
  createReadingKey,
  openReading,
  orderJson,
  ownerToText,
  requestDigest,
  requestJson,
  signOrder,
  signRequest,
  type BalanceReading,
  type LedgerOrder,
  type OwnerSigner,
  type RequestedName,
  type RequestMembers,
} from "../balances/client.ts";
import {
  CodecError,
  equal,
  fromBase64,
  fromHex,
  fromUtf8,
  sha256,
  toBase64,
  toHex0x,
  utf8,
} from "../codec/index.ts";
import { AffidavitError } from "./errors.ts";
import {
  allowancesSchema,
  allowanceSchema,
  signAllowance,
  type AllowanceWanted,
  type LedgerAllowance,
} from "./ledger-allowances.ts";
import type { Transport } from "./transport.ts";

/** How long what is signed here may wait: 10 minutes, in milliseconds. */
const VALIDITY_MS = 600_000;
const POLL_MS = 300;

const hex32 = z.string().regex(/^0x[0-9a-f]{64}$/);
const number = z.string().regex(/^(0|[1-9][0-9]{0,19})$/);
const accountSchema = z.object({
  account: hex32,
  owner: z.string().max(128),
  sequence: number,
  requestSequence: number,
  balanceDigest: hex32,
  frozen: z.boolean(),
});
const operationSchema = z.object({
  id: z.uuid(),
  operation: z.string().max(64),
  state: z.enum(["waiting", "done", "refused", "failed"]),
  code: z.string().max(128).nullable(),
  sequence: number.nullable(),
  sufficient: z.boolean().nullable(),
});
const keysSchema = z.object({
  operator: z.string().max(128),
  serverKeyDigest: hex32,
  keys: z.array(z.object({ name: z.enum(["evaluation-key", "public-key", "crs"]), sha256: hex32 })).length(3),
});
const readingSchema = z.object({ reading: z.base64().max(128), receiptId: z.string().max(64) });

/** The operator's order as JSON, and its signature in hex. */
export interface Voucher {
  order: ReturnType<typeof orderJson>;
  signature: string;
}
/** `amountAtomic` is 0 but in a credit; `reference` is 32 bytes, good once. */
type OrderMembers = Pick<LedgerOrder, "account" | "amountAtomic" | "reference">;
const checkSchema = z.object({ consistent: z.boolean(), receiptId: z.string().max(64) });

export type LedgerCheck = z.infer<typeof checkSchema>;
export type LedgerAccount = z.infer<typeof accountSchema>;
export type LedgerOperation = z.infer<typeof operationSchema>;
export type BalanceKeys = z.infer<typeof keysSchema>;

/**
 * Nothing that the service says here is verified: entries are, by an audit. What is signed names the server key, so that it is good
 * for one set of keys; compare its digest with the attested keyset's.
 */
export class LedgerClient {
  readonly #transport: Transport;
  readonly #nowMs: () => number;

  constructor(transport: Transport, nowMs: () => number = Date.now) {
    this.#transport = transport;
    this.#nowMs = nowMs;
  }

  /** The FHE public keys by digest, and whose vouchers count. @throws AffidavitError */
  describe(): Promise<BalanceKeys> {
    return this.#get("/v1/balances/keys", keysSchema);
  }

  /** One of them, of the digest that `describe` said. @throws AffidavitError */
  async key(keys: BalanceKeys, name: BalanceKeys["keys"][number]["name"]): Promise<Uint8Array> {
    const { body } = await this.#transport.send(`/v1/balances/keys/${name}`, {});
    const named = keys.keys.find((key) => key.name === name);
    if (!named || !equal(sha256(body), fromHex(named.sha256))) throw malformed();
    return body;
  }

  /** A ciphertext by its SHA-256. @throws AffidavitError */
  async blob(digest: Uint8Array): Promise<Uint8Array> {
    const { body } = await this.#transport.send(`/v1/balances/blobs/${toHex0x(digest)}`, {});
    if (!equal(sha256(body), digest)) throw malformed();
    return body;
  }

  /** JSON text of the entries after a sequence; at most 64. @throws AffidavitError */
  async entries(account: Uint8Array, after: bigint): Promise<string> {
    return fromUtf8((await this.#transport.send(`${place(account)}/entries?after=${after}`, {})).body);
  }

  /** @throws AffidavitError */
  open(owner: OwnerSigner["owner"]): Promise<LedgerAccount> {
    return this.#post("/v1/accounts", { owner: ownerToText(owner) }, accountSchema, 201);
  }

  /** @throws AffidavitError */
  account(account: Uint8Array): Promise<LedgerAccount> {
    return this.#get(place(account), accountSchema);
  }

  /** What the operator says of an account, signed and not handed in. @throws AffidavitError, BalanceError */
  async sign(
    operator: OwnerSigner,
    operation: "credit" | "freeze" | "unfreeze",
    members: OrderMembers,
    validityMs = VALIDITY_MS,
  ): Promise<Voucher> {
    const serverKeyDigest = fromHex((await this.describe()).serverKeyDigest);
    const { order, signature } = await signOrder(operator, operation, {
      ...members,
      serverKeyDigest,
      expiresAtMs: BigInt(this.#nowMs() + validityMs),
    });
    return { order: orderJson(order), signature: toHex0x(signature) };
  }

  /** What the operator signs: a credit (a voucher), a freeze, its end. @throws AffidavitError, BalanceError */
  async order(
    operator: OwnerSigner,
    operation: "credit" | "freeze" | "unfreeze",
    members: OrderMembers,
  ): Promise<LedgerOperation> {
    return this.#ask(members.account, { operation, ...(await this.sign(operator, operation, members)) });
  }

  /**
   * What the owner signs: the next request of the account.
   * @param sent the proof of an amount that is encrypted, and of a deposit the voucher
   * @throws AffidavitError, BalanceError
   */
  async request(
    signer: OwnerSigner,
    operation: RequestedName,
    members: Omit<RequestMembers, "expiresAtMs">,
    { proven, voucher }: { proven?: Uint8Array; voucher?: Voucher } = {},
  ): Promise<LedgerOperation> {
    const signed = await signRequest(signer, operation, { ...members, expiresAtMs: this.#soon() });
    return this.#ask(signer.account, {
      operation,
      request: requestJson(signed.request),
      signature: toHex0x(signed.signature),
      ...(proven && { proven: toBase64(proven) }),
      ...(voucher && { voucher }),
    });
  }

  /** Lets the vault say whether an entry adds up; the log says what it found. @throws AffidavitError */
  check(account: Uint8Array, sequence: bigint): Promise<LedgerCheck> {
    return this.#post(`${place(account)}/entries/${sequence}/check`, {}, checkSchema, 200);
  }

  /** Waits for an operation's end. @throws AffidavitError */
  async settled(
    account: Uint8Array,
    { id }: LedgerOperation,
    signal?: AbortSignal,
  ): Promise<LedgerOperation> {
    for (;;) {
      const operation = await this.#get(`${place(account)}/operations/${id}`, operationSchema, signal);
      if (operation.state !== "waiting") return operation;
      await new Promise((done) => setTimeout(done, POLL_MS));
    }
  }

  /** The balance, opened by the vault for the owner alone. @throws AffidavitError, BalanceError */
  async read(signer: OwnerSigner): Promise<BalanceReading & { receiptId: string }> {
    const serverKeyDigest = fromHex((await this.describe()).serverKeyDigest);
    const key = await createReadingKey();
    const members = { operandDigest: key.operandDigest, serverKeyDigest, expiresAtMs: this.#soon() };
    const { request, signature } = await signRequest(signer, "reading", members);
    const asked = {
      request: requestJson(request),
      signature: toHex0x(signature),
      publicKey: toHex0x(key.publicKey),
    };
    const answer = await this.#post(`${place(signer.account)}/reading`, asked, readingSchema, 200);
    const reading = await openReading(fromBase64(answer.reading), key, requestDigest(request));
    return { ...reading, receiptId: answer.receiptId };
  }

  /** The price list in force: the exact text that its owner signed, and that allowances name by SHA-256. @throws AffidavitError */
  async prices(): Promise<string> {
    return fromUtf8((await this.#transport.send("/v1/balances/prices", {})).body);
  }

  /**
   * Opens an allowance: debited in the background, then open.
   * @throws AffidavitError, BalanceError
   */
  async openAllowance(signer: OwnerSigner, wanted: AllowanceWanted): Promise<LedgerAllowance> {
    const body = await signAllowance(signer, wanted, this.#soon());
    return this.#post(`${place(signer.account)}/allowances`, body, allowanceSchema, 202);
  }

  /** The newest first, at most 100. @throws AffidavitError */
  async allowances(account: Uint8Array): Promise<LedgerAllowance[]> {
    return (await this.#get(`${place(account)}/allowances`, allowancesSchema)).allowances;
  }

  /** @throws AffidavitError */
  allowance(account: Uint8Array, id: string, signal?: AbortSignal): Promise<LedgerAllowance> {
    return this.#get(`${place(account)}/allowances/${encodeURIComponent(id)}`, allowanceSchema, signal);
  }

  /** Ends an allowance: what is left comes back in the background. @throws AffidavitError, BalanceError */
  async closeAllowance(signer: OwnerSigner, id: string): Promise<LedgerAllowance> {
    const serverKeyDigest = fromHex((await this.describe()).serverKeyDigest);
    const members = { subject: fromHex(id, 32), serverKeyDigest, expiresAtMs: this.#soon() };
    const { request, signature } = await signRequest(signer, "close", members);
    const body = { request: requestJson(request), signature: toHex0x(signature) };
    const path = `${place(signer.account)}/allowances/${encodeURIComponent(id)}/close`;
    return this.#post(path, body, allowanceSchema, 202);
  }

  /** Waits until it is in a state, or in one from which it does not come there. @throws AffidavitError */
  async allowanceIn(
    state: LedgerAllowance["state"],
    account: Uint8Array,
    id: string,
    signal?: AbortSignal,
  ): Promise<LedgerAllowance> {
    for (;;) {
      const allowance = await this.allowance(account, id, signal);
      if ([state, "refused", "refunded", "frozen"].includes(allowance.state)) return allowance;
      await new Promise((done) => setTimeout(done, POLL_MS));
    }
  }

  #soon(): bigint {
    return BigInt(this.#nowMs() + VALIDITY_MS);
  }

  #ask(account: Uint8Array, wish: object): Promise<LedgerOperation> {
    return this.#post(`${place(account)}/operations`, wish, operationSchema, 202);
  }

  async #get<T>(path: string, schema: z.ZodType<T>, signal?: AbortSignal): Promise<T> {
    return parse(schema, (await this.#transport.send(path, { signal })).body);
  }

  async #post<T>(path: string, body: object, schema: z.ZodType<T>, expectedStatus: number): Promise<T> {
    const answer = await this.#transport.send(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: utf8(JSON.stringify(body)) as Uint8Array<ArrayBuffer>,
      expectedStatus,
    });
    return parse(schema, answer.body);
  }
}

const place = (account: Uint8Array): string => `/v1/accounts/${toHex0x(account)}`;

function parse<T>(schema: z.ZodType<T>, body: Uint8Array): T {
  try {
    const { data, success } = schema.safeParse(JSON.parse(fromUtf8(body)));
    if (success) return data;
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof CodecError)) throw error;
  }
  throw malformed();
}

function malformed(): AffidavitError {
  return new AffidavitError("server_response_invalid", "the server's answer is not of the documented form");
}
