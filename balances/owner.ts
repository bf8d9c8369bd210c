/** Who owns an account: a secp256k1 key, known by its Ethereum address, or an Ed25519 key. Browser-safe. */
import { ed25519 } from "@noble/curves/ed25519.js";
import { concat, equal, fromHex, sha256, toHex0x, utf8 } from "../codec/index.ts";
import { recoverSigner, ReceiptError } from "../receipts/index.ts";
import { BalanceError } from "./error.ts";

/** Scheme, its number in account ids, and the bytes of its key. */
const SCHEMES = { secp256k1: { number: 1, keyBytes: 20 }, ed25519: { number: 2, keyBytes: 32 } } as const;

export type OwnerScheme = keyof typeof SCHEMES;

export interface Owner {
  scheme: OwnerScheme;
  /** secp256k1: the 20-byte address; Ed25519: the 32-byte public key. */
  key: Uint8Array;
}

/**
 * SHA-256 of `"affidavit.v1.account" ‖ scheme u8 ‖ key`: an owner has one account of each service.
 * @throws BalanceError `owner_invalid`
 */
export function accountId({ scheme, key }: Owner): Uint8Array {
  const known = Object.hasOwn(SCHEMES, scheme) ? SCHEMES[scheme] : undefined;
  if (!known || key.length !== known.keyBytes)
    throw new BalanceError("owner_invalid", "the owner's key has another length than its scheme wants");
  return sha256(concat(utf8("affidavit.v1.account"), Uint8Array.of(known.number), key));
}

/** `secp256k1:0x<40 hex>` or `ed25519:0x<64 hex>`. */
export function ownerToText({ scheme, key }: Owner): string {
  return `${scheme}:${toHex0x(key)}`;
}

/** @throws BalanceError `owner_invalid` */
export function parseOwner(text: string): Owner {
  const match = /^(secp256k1:0x[0-9a-f]{40}|ed25519:0x[0-9a-f]{64})$/.exec(text);
  if (!match) throw new BalanceError("owner_invalid", "not secp256k1:0x<address> or ed25519:0x<public key>");
  const [scheme, key] = text.split(":") as [OwnerScheme, string];
  return { scheme, key: fromHex(key) };
}

/**
 * Returns where the owner signed the digest: 65 bytes r ‖ s ‖ v, or 64 bytes of Ed25519 (RFC 8032) over the 32 bytes.
 * @throws BalanceError `signature_invalid`
 */
export function checkOwnerSignature(
  { scheme, key }: Owner,
  digest32: Uint8Array,
  signature: Uint8Array,
): void {
  if (!(scheme === "secp256k1" ? signedBy(key, digest32, signature) : verified(key, digest32, signature)))
    throw new BalanceError("signature_invalid", "the owner's key did not sign this");
}

function signedBy(address: Uint8Array, digest32: Uint8Array, signature: Uint8Array): boolean {
  try {
    return equal(recoverSigner(digest32, signature), address);
  } catch (error) {
    if (error instanceof ReceiptError) return false;
    throw error;
  }
}

function verified(publicKey: Uint8Array, digest32: Uint8Array, signature: Uint8Array): boolean {
  // RFC 8032's own rules: the library's default would accept points of small order.
  return signature.length === 64 && ed25519.verify(signature, digest32, publicKey, { zip215: false });
}
