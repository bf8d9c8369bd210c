/** Signing requests and orders with a key at hand; a wallet signs the same digests. Browser-safe. */
import { ed25519 } from "@noble/curves/ed25519.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { addressOf, packSignature } from "../receipts/index.ts";
import { BalanceError } from "./error.ts";
import { OPERATIONS, type RequestedName } from "./operation.ts";
import { accountId, type Owner, type OwnerScheme } from "./owner.ts";
import { orderDigest, requestDigest, type LedgerOrder, type LedgerRequest } from "./request.ts";

export interface OwnerSigner {
  owner: Owner;
  /** `accountId(owner)`. */
  account: Uint8Array;
  /** secp256k1: 65 bytes r ‖ s ‖ v; Ed25519: 64 bytes. */
  sign(digest32: Uint8Array): Promise<Uint8Array>;
}

const SECRET_KEY_BYTES = 32;

/**
 * A signer over a secret key in memory.
 * @param secretKey 32 bytes: a secp256k1 scalar, or an Ed25519 seed
 * @throws BalanceError `owner_invalid`
 */
export function ownerSigner(scheme: OwnerScheme, secretKey: Uint8Array): OwnerSigner {
  const valid = scheme === "ed25519" || secp256k1.utils.isValidSecretKey(secretKey);
  if (secretKey.length !== SECRET_KEY_BYTES || !valid)
    throw new BalanceError("owner_invalid", `the secret key is none of ${scheme}`);
  const key =
    scheme === "ed25519" ? ed25519.getPublicKey(secretKey) : addressOf(secp256k1.getPublicKey(secretKey));
  const owner: Owner = { scheme, key };
  return {
    owner,
    account: accountId(owner),
    sign: async (digest32) =>
      scheme === "ed25519" ? ed25519.sign(digest32, secretKey) : recoverable(digest32, secretKey),
  };
}

function recoverable(digest32: Uint8Array, secretKey: Uint8Array): Uint8Array {
  const signed = secp256k1.sign(digest32, secretKey, { prehash: false, lowS: true, format: "recovered" });
  return packSignature(signed.subarray(1), signed[0]!);
}

const ZERO = new Uint8Array(32);

/** What a request says beside its account: what an operation does not use is left out. */
export type RequestMembers = Pick<LedgerRequest, "serverKeyDigest" | "expiresAtMs"> &
  Partial<Pick<LedgerRequest, "requestSequence" | "amountAtomic" | "operandDigest" | "subject">>;

/** @throws BalanceError `request_invalid` for members out of range */
export async function signRequest(
  signer: OwnerSigner,
  operation: RequestedName,
  members: RequestMembers,
): Promise<{ request: LedgerRequest; signature: Uint8Array }> {
  const request: LedgerRequest = {
    account: signer.account,
    requestSequence: 0n,
    operation: OPERATIONS[operation],
    amountAtomic: 0n,
    operandDigest: ZERO,
    subject: ZERO,
    ...members,
  };
  return { request, signature: await signer.sign(requestDigest(request)) };
}

/** @throws BalanceError `order_invalid` for members out of range */
export async function signOrder(
  operator: OwnerSigner,
  operation: "credit" | "freeze" | "unfreeze",
  members: Omit<LedgerOrder, "operation">,
): Promise<{ order: LedgerOrder; signature: Uint8Array }> {
  const order: LedgerOrder = { ...members, operation: OPERATIONS[operation] };
  return { order, signature: await operator.sign(orderDigest(order)) };
}
