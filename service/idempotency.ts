/**
 * `Idempotency-Key`: one answer a key and caller, replayed for as long as the record lives. The record is ciphertext under
 * a key that only the vault derives; a stolen database replays nothing.
 */
import { concat, equal, fromUtf8, sha256, toHex, utf8 } from "../codec/index.ts";
import type { Vault } from "../vault/index.ts";
import { ServiceError } from "./problem.ts";
import { openRecord, sealRecord } from "./sealed-record.ts";
import type { InferAnswer, InferCall } from "./services.ts";

const MAX_KEY_LENGTH = 255;

/** What storage says of a key. `lease` names this attempt: only its holder completes or releases. */
export type Reservation =
  | { state: "reserved"; lease: Uint8Array }
  | { state: "busy"; tag: Uint8Array }
  | { state: "done"; tag: Uint8Array; ciphertext: Uint8Array }
  | { state: "gone"; tag: Uint8Array; receiptDigest: Uint8Array };

export interface ReplayStore {
  reserve(entry: { call: InferCall; keyHash: Uint8Array; tag: Uint8Array }): Promise<Reservation>;
  release(entry: { call: InferCall; keyHash: Uint8Array; lease: Uint8Array }): Promise<void>;
}

export interface SealedReplay {
  keyHash: Uint8Array;
  lease: Uint8Array;
  ciphertext: Uint8Array;
}

export type Reserved =
  | { replay: InferAnswer }
  | { replay?: undefined; seal(answer: InferAnswer): Promise<SealedReplay>; release(): Promise<void> };

export class Idempotency {
  readonly #store: ReplayStore;
  constructor(store: ReplayStore) {
    this.#store = store;
  }

  /**
   * @throws ServiceError `request_header_invalid`, `idempotency_conflict` (same key, another request),
   *   `idempotency_in_progress`, `idempotency_expired` (the answer is no longer kept; names the receipt)
   */
  async reserve(vault: Vault, call: InferCall): Promise<Reserved> {
    const key = call.idempotencyKey ?? "";
    if (key.length === 0 || key.length > MAX_KEY_LENGTH || !/^[\x21-\x7e]+$/.test(key)) {
      throw new ServiceError(
        "request_header_invalid",
        "Idempotency-Key is 1 to 255 printable ASCII characters",
      );
    }
    const keyHash = sha256(utf8(key));
    const tag = await vault.idempotencyTag(requestMessage(call, keyHash));
    const found = await this.#store.reserve({ call, keyHash, tag });
    if (found.state !== "reserved" && !equal(found.tag, tag)) {
      throw new ServiceError("idempotency_conflict", "this key was used for another request");
    }
    if (found.state === "busy") {
      throw new ServiceError("idempotency_in_progress", "the first request with this key is still running", {
        headers: { "retry-after": "1" },
      });
    }
    if (found.state === "gone") {
      const receiptId = toHex(found.receiptDigest);
      throw new ServiceError(
        "idempotency_expired",
        `the answer is no longer kept; its receipt is ${receiptId}`,
        { receiptId },
      );
    }
    const context = recordContext(call, keyHash, tag);
    if (found.state === "done") {
      const answer = openAnswer(await vault.recordKey(context), context, found.ciphertext);
      return { replay: { ...answer, headers: { ...answer.headers, "Idempotency-Replayed": "true" } } };
    }
    const { lease } = found;
    return {
      seal: async (answer) => {
        const recordKey = await vault.recordKey(context);
        return { keyHash, lease, ciphertext: sealAnswer(recordKey, context, answer) };
      },
      release: () => this.#store.release({ call, keyHash, lease }),
    };
  }
}

/**
 * What makes a request the same: path, body, and the `Affidavit-*` headers, the salt in its plain form. Caller and key are
 * in it so that equal requests of two callers, or under two keys, leave tags that tell nobody that they are equal.
 */
function requestMessage(call: InferCall, keyHash: Uint8Array): Uint8Array {
  const audience = call.audience
    ? concat(utf8(`${call.audience.chainId}:`), call.audience.address)
    : new Uint8Array(0);
  const parts = [
    utf8(call.path),
    call.salt ?? new Uint8Array(0),
    audience,
    call.challengeNonce ?? new Uint8Array(0),
    utf8(String(call.headerLength ?? "")),
    utf8(call.wish.assurance ?? ""),
    utf8(String(call.wish.valueAtRiskMicroUsd ?? "")),
    call.allowance ?? new Uint8Array(0),
    utf8(String(call.wish.publicInput)),
  ];
  return concat(ownerOf(call), keyHash, ...parts.map((part) => sha256(part)), sha256(call.body));
}

function ownerOf({ account }: InferCall): Uint8Array {
  return sha256(utf8(`${account.tenantId}/${account.accountId}`));
}

/** Names one record: whose, under which key, of which request. */
function recordContext(call: InferCall, keyHash: Uint8Array, tag: Uint8Array): Uint8Array {
  return sha256(utf8("affidavit.v1.replay"), ownerOf(call), keyHash, tag);
}

function sealAnswer(recordKey: Uint8Array, context: Uint8Array, answer: InferAnswer): Uint8Array {
  const head = utf8(JSON.stringify({ status: answer.status, headers: answer.headers }));
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, head.length);
  return sealRecord(recordKey, context, [length, head, answer.body]);
}

function openAnswer(recordKey: Uint8Array, context: Uint8Array, sealed: Uint8Array): InferAnswer {
  const plain = openRecord(recordKey, context, sealed);
  if (!plain) throw new ServiceError("replay_unreadable", "the kept answer does not open under its key");
  // What opens is what was sealed here.
  const headEnd = 4 + plain.readUInt32BE(0);
  const head = JSON.parse(fromUtf8(plain.subarray(4, headEnd))) as Pick<InferAnswer, "status" | "headers">;
  return { ...head, body: plain.subarray(headEnd) };
}
