/** What an operator and owners do with a running service's encrypted balances, over HTTP; every byte that passes is kept. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import {
  createReadingKey,
  openProver,
  openReading,
  OPERATIONS,
  orderJson,
  ownerSigner,
  ownerToText,
  proofMetadata,
  requestDigest,
  requestJson,
  signOrder,
  signRequest,
  type OwnerSigner,
  type Prover,
  type RequestedName,
  type RequestMembers,
} from "../balances/index.ts";
import { ADDON } from "../balances/testing/addon.ts";
import { nextReference } from "../balances/testing/owners.ts";
import { fromBase64, fromHex, sha256, toBase64, toHex0x, utf8 } from "../codec/index.ts";

export const OPERATOR = ownerSigner("ed25519", sha256(utf8("operator")));
export const owner = (name: string, scheme: "secp256k1" | "ed25519" = "secp256k1"): OwnerSigner =>
  ownerSigner(scheme, sha256(utf8(name)));

export type Json = Record<string, unknown>;
type Encrypted = "privateDebit" | "transferOut" | "deposit";
type Members = Partial<RequestMembers>;

export const place = (by: OwnerSigner) => `/v1/accounts/${toHex0x(by.account)}`;
export const soon = () => BigInt(Date.now() + 600_000);

export class BalancesClient {
  /** Bodies both ways. */
  readonly captured: Buffer[] = [];
  readonly #service: () => { url: string; apiKey: string };
  #serverKeyDigest: Uint8Array | undefined;
  #prover: Promise<Prover> | undefined;

  /** @param service the one that runs now */
  constructor(service: () => { url: string; apiKey: string }) {
    this.#service = service;
  }

  async call(method: string, path: string, body?: object): Promise<Json> {
    const { url, apiKey } = this.#service();
    const sent = body && JSON.stringify(body);
    if (sent) this.captured.push(Buffer.from(sent));
    const answer = await fetch(url + path, {
      method,
      headers: { authorization: `Bearer ${apiKey}`, "content-type": "application/json" },
      ...(sent && { body: sent }),
    });
    const bytes = Buffer.from(await answer.arrayBuffer());
    this.captured.push(bytes);
    const json = JSON.parse(bytes.toString()) as Json;
    return answer.ok ? json : { ...json, refused: answer.status };
  }

  async serverKeyDigest(): Promise<Uint8Array> {
    this.#serverKeyDigest ??= fromHex(
      (await this.call("GET", "/v1/balances/keys"))["serverKeyDigest"] as string,
    );
    return this.#serverKeyDigest;
  }

  async publicKeys(): Promise<{ publicKey: Uint8Array; crs: Uint8Array }> {
    const [publicKey, crs] = await Promise.all(
      ["public-key", "crs"].map(async (name) => {
        const answer = await fetch(`${this.#service().url}/v1/balances/keys/${name}`);
        return new Uint8Array(await answer.arrayBuffer());
      }),
    );
    return { publicKey: publicKey!, crs: crs! };
  }

  async open(...owners: OwnerSigner[]): Promise<void> {
    for (const by of owners) await this.call("POST", "/v1/accounts", { owner: ownerToText(by.owner) });
  }

  account(by: OwnerSigner): Promise<Json> {
    return this.call("GET", place(by));
  }

  ask(by: OwnerSigner, body: object): Promise<Json> {
    return this.call("POST", `${place(by)}/operations`, body);
  }

  async settled(by: OwnerSigner, asked: Json): Promise<Json> {
    expect(asked).toMatchObject({ state: "waiting" });
    for (;;) {
      const operation = await this.call("GET", `${place(by)}/operations/${asked["id"] as string}`);
      if (operation["state"] !== "waiting") return operation;
      await sleep(200);
    }
  }

  /** Asks, and waits for its end where it was taken. */
  async run(by: OwnerSigner, body: object): Promise<Json> {
    const asked = await this.ask(by, body);
    return "refused" in asked ? asked : this.settled(by, asked);
  }

  async order(
    by: OwnerSigner,
    operation: "credit" | "freeze" | "unfreeze",
    members: { amountAtomic?: bigint; reference?: Uint8Array; expiresAtMs?: bigint } = {},
    signer = OPERATOR,
  ) {
    const { order, signature } = await signOrder(signer, operation, {
      account: by.account,
      amountAtomic: 0n,
      reference: nextReference(),
      serverKeyDigest: await this.serverKeyDigest(),
      expiresAtMs: soon(),
      ...members,
    });
    return { operation, order: orderJson(order), signature: toHex0x(signature) };
  }

  credit(by: OwnerSigner, amountAtomic: bigint, reference?: Uint8Array) {
    return this.order(by, "credit", { amountAtomic, ...(reference && { reference }) });
  }

  /** The number of the owner's next request. */
  async next(by: OwnerSigner): Promise<bigint> {
    return BigInt((await this.account(by))["requestSequence"] as string) + 1n;
  }

  async request(by: OwnerSigner, operation: RequestedName, members: Members) {
    const { request, signature } = await signRequest(by, operation, {
      serverKeyDigest: await this.serverKeyDigest(),
      expiresAtMs: soon(),
      ...members,
    });
    return { operation, request: requestJson(request), signature: toHex0x(signature) };
  }

  async debit(by: OwnerSigner, amountAtomic: bigint, members: Members = {}) {
    const requestSequence = members.requestSequence ?? (await this.next(by));
    return this.request(by, "debit", { requestSequence, amountAtomic, ...members });
  }

  async prove(
    by: OwnerSigner,
    operation: Encrypted,
    amountAtomic: bigint,
    requestSequence: bigint,
  ): Promise<Uint8Array> {
    this.#prover ??= this.publicKeys().then((keys) => openProver(ADDON!, keys));
    return (await this.#prover).prove(amountAtomic, await this.metadata(by, operation, requestSequence));
  }

  async metadata(by: OwnerSigner, operation: Encrypted, requestSequence: bigint): Promise<Uint8Array> {
    const serverKeyDigest = await this.serverKeyDigest();
    const { account } = by;
    return proofMetadata({ account, requestSequence, operation: OPERATIONS[operation], serverKeyDigest });
  }

  /** @param proven where it is not made here, of `amountAtomic` */
  async encrypted(
    by: OwnerSigner,
    operation: Encrypted,
    amountAtomic: bigint,
    members: Members & { proven?: Uint8Array } = {},
  ) {
    const { proven: given, ...rest } = members;
    const requestSequence = members.requestSequence ?? (await this.next(by));
    const proven = given ?? (await this.prove(by, operation, amountAtomic, requestSequence));
    const signed = await this.request(by, operation, {
      requestSequence,
      operandDigest: sha256(proven),
      ...rest,
    });
    return { ...signed, proven: toBase64(proven) };
  }

  async transfer(by: OwnerSigner, to: OwnerSigner, amountAtomic: bigint) {
    return this.encrypted(by, "transferOut", amountAtomic, { subject: to.account });
  }

  /** @param promised what the voucher says, where that is not what is encrypted */
  async deposit(by: OwnerSigner, amountAtomic: bigint, promised = amountAtomic) {
    const reference = nextReference();
    const { operation: _, ...voucher } = await this.credit(by, promised, reference);
    return { voucher, ...(await this.encrypted(by, "deposit", amountAtomic, { subject: reference })) };
  }

  /** The balance, as its owner reads it. */
  async read(by: OwnerSigner): Promise<bigint> {
    const asked = await this.reading(by);
    const { reading } = await this.call("POST", `${place(by)}/reading`, asked.body);
    return (await openReading(fromBase64(reading as string), asked.key, asked.digest)).amountAtomic;
  }

  async reading(by: OwnerSigner) {
    const key = await createReadingKey();
    const { request, signature } = await signRequest(by, "reading", {
      operandDigest: key.operandDigest,
      serverKeyDigest: await this.serverKeyDigest(),
      expiresAtMs: soon(),
    });
    const body = {
      request: requestJson(request),
      signature: toHex0x(signature),
      publicKey: toHex0x(key.publicKey),
    };
    return { key, body, digest: requestDigest(request) };
  }
}
