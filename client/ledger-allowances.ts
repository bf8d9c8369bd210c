/** An allowance as its owner asks for it: signed, its terms sealed to a vault that was verified. */
import { z } from "zod";
import {
  encodeTerms,
  requestDigest,
  requestJson,
  sealTerms,
  signRequest,
  type OwnerSigner,
} from "../balances/client.ts";
import { sha256, toBase64, toHex0x } from "../codec/index.ts";

const hex32 = z.string().regex(/^0x[0-9a-f]{64}$/);

export const allowanceSchema = z.object({
  id: hex32,
  account: hex32,
  state: z.enum(["waiting", "refused", "open", "ended", "frozen", "closing", "refunded"]),
  code: z.string().max(128).nullable(),
  vault: z.string().regex(/^0x[0-9a-f]{40}$/),
  priceList: hex32,
  operation: z.uuid(),
  sequence: z
    .string()
    .regex(/^[1-9][0-9]{0,19}$/)
    .nullable(),
  expiresAt: z.iso.datetime(),
});
export const allowancesSchema = z.object({ allowances: z.array(allowanceSchema).max(100) });

/** How an allowance stands: what it holds nobody but its owner knows, who knows what was paid into and out of it. */
export type LedgerAllowance = z.infer<typeof allowanceSchema>;

export interface AllowanceWanted {
  /** The account's next. */
  requestSequence: bigint;
  /** 32 bytes. */
  serverKeyDigest: Uint8Array;
  credits: bigint;
  expiresAtMs: bigint;
  /** SHA-256 of the price list that the owner read: 32 bytes. */
  priceList: Uint8Array;
  /** Of a keyset that was verified: receipt address (20 bytes) and HPKE key (32). */
  keyset: { receiptAddress: Uint8Array; sealingKey: Uint8Array };
}

/** The body of the request that opens it. @throws BalanceError `terms_invalid`, `request_invalid` */
export async function signAllowance(
  signer: OwnerSigner,
  { requestSequence, serverKeyDigest, credits, expiresAtMs, priceList, keyset }: AllowanceWanted,
  requestExpiresAtMs: bigint,
): Promise<object> {
  const salt = crypto.getRandomValues(new Uint8Array(32));
  const terms = { credits, expiresAtMs, priceList, vault: keyset.receiptAddress, salt };
  const { request, signature } = await signRequest(signer, "allowance", {
    requestSequence,
    serverKeyDigest,
    operandDigest: sha256(encodeTerms(terms)),
    expiresAtMs: requestExpiresAtMs,
  });
  const sealed = await sealTerms(terms, keyset.sealingKey, requestDigest(request));
  return { request: requestJson(request), signature: toHex0x(signature), terms: toBase64(sealed) };
}
