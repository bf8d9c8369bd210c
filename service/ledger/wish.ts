/** What the ledger is asked over HTTP and through the queue: JSON with the signed structs, ciphertexts in base64. */
import { z } from "@hono/zod-openapi";
import {
  LEDGER_ORDER,
  LEDGER_REQUEST,
  orderOf,
  requestDigest,
  structFromJson,
  voucherCredits,
  type Command,
  type LedgerContext,
  type LedgerRequest,
  type SignedOrder,
} from "../../balances/index.ts";
import { fromBase64, fromHex, fromUtf8, utf8 } from "../../codec/index.ts";

const hex32 = z.string().regex(/^0x[0-9a-f]{64}$/, "0x and 64 lower-case hex digits");
const number64 = z.string().regex(/^(0|[1-9][0-9]{0,19})$/, "a decimal number");
const signature = z.string().regex(/^0x([0-9a-f]{128}|[0-9a-f]{130})$/, "0x and 64 or 65 bytes of hex");
const SCHEMAS = { bytes32: hex32, uint64: number64, uint8: z.int().min(0).max(255) };

const structSchema = (table: typeof LEDGER_REQUEST | typeof LEDGER_ORDER) =>
  z.strictObject(Object.fromEntries(table.map(({ name, type }) => [name, SCHEMAS[type]])));

const requestSchema = structSchema(LEDGER_REQUEST).openapi("LedgerRequest");
const orderSchema = structSchema(LEDGER_ORDER).openapi("LedgerOrder");
const proven = z.base64().max(96 * 1024);
const asked = { request: requestSchema, signature };
const ordered = { order: orderSchema, signature };

/** Operations that callers may ask for. */
export const wishSchema = z
  .discriminatedUnion("operation", [
    z.strictObject({ operation: z.literal("credit"), ...ordered }),
    z.strictObject({ operation: z.literal("debit"), ...asked }),
    z.strictObject({ operation: z.literal("privateDebit"), ...asked, proven }),
    z.strictObject({ operation: z.literal("transferOut"), ...asked, proven }),
    z.strictObject({ operation: z.literal("deposit"), ...asked, proven, voucher: z.strictObject(ordered) }),
    z.strictObject({ operation: z.literal("freeze"), ...ordered }),
    z.strictObject({ operation: z.literal("unfreeze"), ...ordered }),
  ])
  .openapi("LedgerOperation");
export const readingSchema = z.strictObject({ ...asked, publicKey: hex32 }).openapi("LedgerReading");
export const allowanceSchema = z
  .strictObject({ ...asked, terms: z.base64().max(512) })
  .openapi("LedgerAllowanceRequest");
export const closingSchema = z.strictObject(asked).openapi("LedgerAllowanceClosing");

export type Wish = z.infer<typeof wishSchema>;

/** With what the service makes of transfers and allowances, which nobody may ask for so. */
const payloadSchema = z.strictObject({
  account: hex32,
  wish: z.union([
    wishSchema,
    z.strictObject({ operation: z.literal("transferIn"), from: hex32, sequence: number64, taken: hex32 }),
    z.strictObject({ operation: z.literal("allowance"), ...asked }),
    /** Of this allowance, by its id. */
    z.strictObject({ operation: z.literal("refund"), allowance: hex32 }),
  ]),
});
export type LedgerPayload = z.infer<typeof payloadSchema>;

export function encodePayload(payload: LedgerPayload): Uint8Array {
  return utf8(JSON.stringify(payload));
}

export function decodePayload(bytes: Uint8Array): LedgerPayload {
  return payloadSchema.parse(JSON.parse(fromUtf8(bytes)));
}

/** @throws BalanceError `request_invalid` */
export function signedRequest(wish: { request: unknown; signature: string }): {
  request: LedgerRequest;
  signature: Uint8Array;
} {
  return {
    request: structFromJson(LEDGER_REQUEST, wish.request, "request_invalid"),
    signature: fromHex(wish.signature),
  };
}

function signedOrder(wish: { order: unknown; signature: string }): SignedOrder {
  return { order: orderOf(wish.order), signature: fromHex(wish.signature) };
}

export interface CommandParts {
  nowMs: bigint;
  /** A ciphertext by its SHA-256. */
  blob(digest: Uint8Array): Promise<Uint8Array>;
  /** What an admitted allowance takes, encrypted. @param id digest of its request */
  allowance(id: Uint8Array): Promise<Uint8Array>;
  /** Of which entry the rest of an allowance is, and the rest, encrypted. */
  rest(id: Uint8Array): Promise<{ sequence: bigint; amount: Uint8Array }>;
}

/** @throws BalanceError `request_invalid`, and what vouchers are refused for */
export async function commandOf(
  wish: LedgerPayload["wish"],
  context: LedgerContext,
  { nowMs, blob, allowance, rest }: CommandParts,
): Promise<Command> {
  const vouchers = voucherCredits(context);
  switch (wish.operation) {
    case "credit":
      return { operation: "credit", credit: await vouchers.redeem(signedOrder(wish), nowMs) };
    case "deposit": {
      const credit = await vouchers.redeem(signedOrder(wish.voucher), nowMs);
      return { operation: "deposit", credit, proven: fromBase64(wish.proven), ...signedRequest(wish) };
    }
    case "debit":
      return { operation: "debit", ...signedRequest(wish) };
    case "privateDebit":
    case "transferOut":
      return { operation: wish.operation, proven: fromBase64(wish.proven), ...signedRequest(wish) };
    case "transferIn":
      return {
        operation: "transferIn",
        from: fromHex(wish.from),
        sequence: BigInt(wish.sequence),
        taken: await blob(fromHex(wish.taken)),
      };
    case "allowance": {
      const signed = signedRequest(wish);
      return { operation: "allowance", ...signed, amount: await allowance(requestDigest(signed.request)) };
    }
    case "refund":
      return { operation: "refund", ...(await rest(fromHex(wish.allowance))) };
    default:
      return { operation: wish.operation, ...signedOrder(wish) };
  }
}
