/** Owners and operators that sign at once, also what no honest one would, for tests. */
import { ed25519 } from "@noble/curves/ed25519.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { sha256, utf8 } from "../../codec/index.ts";
import { packSignature } from "../../receipts/index.ts";
import type { Owner } from "../owner.ts";
import { orderDigest, requestDigest, type LedgerOrder, type LedgerRequest } from "../request.ts";
import { ownerSigner } from "../sign.ts";

export interface Signatory {
  owner: Owner;
  account: Uint8Array;
  sign(digest32: Uint8Array): Uint8Array;
}

export function secp256k1Owner(name: string): Signatory {
  const secretKey = sha256(utf8(name));
  const { owner, account } = ownerSigner("secp256k1", secretKey);
  const sign = (digest: Uint8Array) => {
    const recovered = secp256k1.sign(digest, secretKey, { prehash: false, format: "recovered" });
    return packSignature(recovered.subarray(1), recovered[0]!);
  };
  return { owner, account, sign };
}

export function ed25519Owner(name: string): Signatory {
  const secretKey = sha256(utf8(name));
  const { owner, account } = ownerSigner("ed25519", secretKey);
  return { owner, account, sign: (digest) => ed25519.sign(digest, secretKey) };
}

export const ZERO = new Uint8Array(32);
export const NOW_MS = 1_800_000_000_000n;

export function signRequest(
  by: Signatory,
  members: Partial<LedgerRequest> & Pick<LedgerRequest, "operation" | "serverKeyDigest">,
) {
  const request: LedgerRequest = {
    account: by.account,
    requestSequence: 1n,
    amountAtomic: 0n,
    operandDigest: ZERO,
    subject: ZERO,
    expiresAtMs: NOW_MS + 60_000n,
    ...members,
  };
  return { request, signature: by.sign(requestDigest(request)) };
}

export function signOrder(
  by: Signatory,
  members: Partial<LedgerOrder> & Pick<LedgerOrder, "account" | "operation" | "serverKeyDigest">,
) {
  const order: LedgerOrder = {
    amountAtomic: 0n,
    reference: nextReference(),
    expiresAtMs: NOW_MS + 60_000n,
    ...members,
  };
  return { order, signature: by.sign(orderDigest(order)) };
}

let references = 0;

export function nextReference(): Uint8Array {
  return sha256(utf8(`reference ${references++}`));
}
