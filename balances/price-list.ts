/**
 * The price list: what the service's owner says that an inference of each model takes from an allowance. JSON (RFC 8785) with an
 * Ed25519 signature; its SHA-256 is the `documentDigest` of a `PolicyChange` statement, and what allowances name. Browser-safe.
 */
import { ed25519 } from "@noble/curves/ed25519.js";
import { z } from "zod";
import { CodecError, concat, fromHex, jcs, sha256, toHex0x, utf8, type Json } from "../codec/index.ts";
import { BalanceError } from "./error.ts";

export interface PriceList {
  /** Of two lists the one with the higher version holds. */
  version: bigint;
  issuedAtMs: bigint;
  /** Credits by model id (`0x` and 64 hex digits). A model that is not here takes no allowance. */
  prices: ReadonlyMap<string, bigint>;
  /** The service owner's Ed25519 public key, 32 bytes. Whether it is the owner's is for the reader to know. */
  owner: Uint8Array;
}

export const MAX_PRICE_LIST_BYTES = 512 * 1024;
const MAX_PRICES = 4096;
const SIGNED_CONTEXT = utf8("affidavit.price-list.v1\n");
const UINT = /^(0|[1-9][0-9]{0,17})$/;

const schema = z.strictObject({
  formatVersion: z.literal(1),
  version: z.string().regex(UINT),
  issuedAtMs: z.string().regex(UINT),
  prices: z
    .record(z.string().regex(/^0x[0-9a-f]{64}$/), z.string().regex(/^[1-9][0-9]{0,17}$/))
    .refine((prices) => Object.keys(prices).length <= MAX_PRICES),
  owner: z.string().regex(/^0x[0-9a-f]{64}$/),
  signature: z.string().regex(/^0x[0-9a-f]{128}$/),
});

function unsigned({ version, issuedAtMs, prices, owner }: PriceList): { [member: string]: Json } {
  return {
    formatVersion: 1,
    version: version.toString(),
    issuedAtMs: issuedAtMs.toString(),
    prices: Object.fromEntries([...prices].map(([modelId, credits]) => [modelId, credits.toString()])),
    owner: toHex0x(owner),
  };
}

/** "affidavit.price-list.v1" ‖ 0x0a ‖ the JCS text of the document without its member `signature`. */
const signedBytes = (list: PriceList): Uint8Array => concat(SIGNED_CONTEXT, utf8(jcs(unsigned(list))));

/**
 * The signed document's text.
 * @param secretKey Ed25519 seed, 32 bytes
 * @throws BalanceError `price_list_invalid` for what no reader would take
 */
export function signPriceList(members: Omit<PriceList, "owner">, secretKey: Uint8Array): string {
  const list = { ...members, owner: ed25519.getPublicKey(secretKey) };
  const signature = ed25519.sign(signedBytes(list), secretKey);
  const text = jcs({ ...unsigned(list), signature: toHex0x(signature) });
  verifyPriceList(text);
  return text;
}

/**
 * Text to a list whose signature is by the `owner` that it names; whose key that is, is not known here.
 * @throws BalanceError `price_list_invalid`, `price_list_signature_invalid`
 */
export function verifyPriceList(text: string): PriceList {
  const document = read(text);
  const list: PriceList = {
    version: BigInt(document.version),
    issuedAtMs: BigInt(document.issuedAtMs),
    prices: new Map(Object.entries(document.prices).map(([modelId, credits]) => [modelId, BigInt(credits)])),
    owner: fromHex(document.owner),
  };
  if (!isSignedBy(list, fromHex(document.signature)))
    throw new BalanceError(
      "price_list_signature_invalid",
      "the price list is not signed by the key it names",
    );
  return list;
}

/** SHA-256 of the document's text: 32 bytes. */
export const priceListDigest = (text: string): Uint8Array => sha256(utf8(text));

function read(text: string): z.infer<typeof schema> {
  if (text.length > MAX_PRICE_LIST_BYTES)
    throw new BalanceError("price_list_invalid", "the price list is too long");
  try {
    const value: unknown = JSON.parse(text);
    const { data } = schema.safeParse(value);
    if (data && jcs(value as Json) === text) return data;
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof CodecError)) throw error;
  }
  throw new BalanceError("price_list_invalid", "the price list is not a canonical document of this form");
}

function isSignedBy(list: PriceList, signature: Uint8Array): boolean {
  try {
    return ed25519.verify(signature, signedBytes(list), list.owner, { zip215: false });
  } catch {
    // noble throws on a key that is no point.
    return false;
  }
}
