/** What a caller does: inferences with distinct inputs, and receipts that are fetched and verified offline. */
import { randomBytes } from "node:crypto";
import { CollateralCache } from "../attestation/index.ts";
import { verifyReceipt } from "../client/verify.ts";
import { equal, sha256, toHex, utf8 } from "../codec/index.ts";
import {
  decodeStatement,
  parseBundle,
  parseReceiptHeader,
  requestDigest,
  responseDigest,
} from "../receipts/index.ts";

export interface Target {
  url: string;
  apiKey: string;
}

export interface Call {
  model: string;
  body: Uint8Array;
  /** 32 bytes. */
  salt: Uint8Array;
  idempotencyKey?: string;
  /** The allowance that pays, as its id in hex. */
  allowance?: string;
}

export interface Answer {
  status: number;
  headers: Headers;
  body: Uint8Array;
  /** The problem's code; undefined for an answer with a receipt. */
  code: string | undefined;
}

/** Numbers from 0 to 1 that a seed repeats (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const MODELS = {
  "breast-cancer": { input: "x", shape: [1, 30] },
  digits: { input: "image", shape: [1, 1, 8, 8] },
} as const;
export type SmallModel = keyof typeof MODELS;

/** An inference that no other call of the run asks for. */
export function smallCall(model: SmallModel, random: () => number = Math.random): Call & { data: number[] } {
  const { input, shape } = MODELS[model];
  const length = shape.reduce<number>((product, dimension) => product * dimension, 1);
  const data = Array.from({ length }, () => Math.fround(random() * 2 - (model === "digits" ? 0 : 1)));
  const body = utf8(JSON.stringify({ inputs: [{ name: input, datatype: "FP32", shape, data }] }));
  return { model, body, salt: randomBytes(32), data };
}

export async function infer(target: Target, call: Call, signal?: AbortSignal): Promise<Answer> {
  const response = await fetch(`${target.url}/v2/models/${call.model}/infer`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${target.apiKey}`,
      "content-type": "application/json",
      "affidavit-salt": toHex(call.salt),
      ...(call.idempotencyKey === undefined ? {} : { "idempotency-key": call.idempotencyKey }),
      ...(call.allowance === undefined ? {} : { "affidavit-allowance": call.allowance }),
    },
    body: Buffer.from(call.body),
    signal: signal ?? null,
  });
  const body = new Uint8Array(await response.arrayBuffer());
  const code = response.ok ? undefined : (JSON.parse(Buffer.from(body).toString()) as { code: string }).code;
  return { status: response.status, headers: response.headers, body, code };
}

/** The first output's numbers of a JSON answer. */
export function outputOf(answer: Answer): number[] {
  const { outputs } = JSON.parse(Buffer.from(answer.body).toString()) as { outputs: { data: number[] }[] };
  return outputs[0]!.data;
}

export function receiptIdOf(answer: Answer): string {
  return answer.headers.get("affidavit-receipt-id")!;
}

/** The single-use id that the vault drew for the answer, in hex. */
export function requestIdOf(answer: Answer): string {
  const { words } = parseReceiptHeader(answer.headers.get("affidavit-receipt")!);
  return toHex(words.subarray(0, 32));
}

/** What the statement of this call holds as its request digest, in hex: only the caller can tell. */
export function requestDigestOf(call: Call): string {
  return toHex(requestDigest(call.salt, call.body));
}

/** Whether the signed statement is about this call's own request and answer. */
export function isAbout(answer: Answer, call: Call): boolean {
  const { words } = parseReceiptHeader(answer.headers.get("affidavit-receipt")!);
  const signed = decodeStatement("InferenceStatement", words);
  return (
    equal(signed.requestDigest, requestDigest(call.salt, call.body)) &&
    equal(signed.responseDigest, responseDigest(call.salt, answer.body))
  );
}

const cache = new CollateralCache();

/**
 * Fetches the answer's receipt and verifies it offline against the caller's own bodies.
 * @returns why it does not hold; undefined where it does
 */
export async function checkReceipt(target: Target, call: Call, answer: Answer): Promise<string | undefined> {
  const id = receiptIdOf(answer);
  const response = await fetch(`${target.url}/v1/receipts/${id}`, {
    headers: { authorization: `Bearer ${target.apiKey}` },
  });
  if (!response.ok) return `${id} is not in the store: ${response.status} ${await response.text()}`;
  const bundle = parseBundle(await response.text());
  if (bundle.receipt !== answer.headers.get("affidavit-receipt"))
    return `${id} differs from what was answered`;
  const { verdict, code, message } = verifyReceipt(bundle, {
    now: new Date(),
    policy: { allowSimulated: true },
    cache,
    privatePart: {
      salt: call.salt,
      requester: answer.headers.get("affidavit-requester")!,
      request: { bytes: call.body, contentType: "application/json", headerLength: null },
      response: { bytes: answer.body, contentType: "application/json", headerLength: null },
    },
  });
  return verdict === "accepted" ? undefined : `${id} is refused: ${code} ${message}`;
}

/** SHA-256 as the store keeps idempotency keys, in the driver's form. */
export function keyHashOf(idempotencyKey: string): Buffer {
  return Buffer.from(sha256(utf8(idempotencyKey)));
}

export function accountOf(answer: Answer): string {
  return answer.headers.get("affidavit-requester")!.slice("account:".length);
}
