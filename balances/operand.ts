/**
 * The operand of a ledger entry: a document that says what was done and names every ciphertext by its SHA-256. Its
 * canonical JSON (RFC 8785) has the digest that `LedgerEntry.operandDigest` holds. Browser-safe.
 */
import { z } from "zod";
import { fromHex, jcs, sha256, utf8, type Json } from "../codec/index.ts";
import { BalanceError } from "./error.ts";
import type { EntryName } from "./operation.ts";
import { LEDGER_ORDER, LEDGER_REQUEST, type LedgerOrder, type LedgerRequest } from "./request.ts";
import { structFromJson, structToJson } from "./typed-data.ts";

const MAX_OPERAND_LENGTH = 16 * 1024;

const digest = z.string().regex(/^0x[0-9a-f]{64}$/);
const uint64 = z
  .string()
  .regex(/^(0|[1-9][0-9]{0,19})$/)
  .refine((text) => BigInt(text) < 2n ** 64n);
const signature = z.string().regex(/^0x([0-9a-f]{128}|[0-9a-f]{130})$/);
const owner = z.string().regex(/^(secp256k1:0x[0-9a-f]{40}|ed25519:0x[0-9a-f]{64})$/);
/** Their members are read by `structFromJson`. */
const request = z.record(z.string(), z.union([z.string(), z.number()]));
const order = request;
/** Where clear money came from. `voucher`: an operator said so, and nobody was seen to pay. */
const source = z.enum(["voucher", "payment"]);
const money = {
  source,
  amountAtomic: uint64,
  /** Null for a payment, which is looked up by its reference. */
  voucher: z.strictObject({ order, signature }).nullable(),
};

const kind = <N extends EntryName, S extends z.ZodRawShape>(operation: N, members: S) =>
  z.strictObject({ formatVersion: z.literal(1), operation: z.literal(operation), ...members });

const schema = z.discriminatedUnion("operation", [
  kind("open", { owner }),
  kind("credit", { ...money, reference: digest }),
  /** Its reference is the request's `subject`. */
  kind("deposit", { ...money, request, signature, proven: digest }),
  kind("debit", { request, signature, sufficient: digest }),
  kind("privateDebit", { request, signature, proven: digest, sufficient: digest }),
  kind("transferOut", { request, signature, proven: digest, sufficient: digest, taken: digest }),
  /** `taken` of the entry `sequence` of the account `from`. */
  kind("transferIn", { from: digest, sequence: uint64, taken: digest }),
  kind("allowance", { request, signature, amount: digest, sufficient: digest }),
  /** `sequence` is the allowance's, on the same account. */
  kind("refund", { sequence: uint64, amount: digest }),
  kind("freeze", { order, signature }),
  kind("unfreeze", { order, signature }),
]);

export type Operand = z.infer<typeof schema>;
export type OperandOf<N extends EntryName> = Extract<Operand, { operation: N }>;

/** The exact text whose SHA-256 is the operand digest. */
export function operandText(operand: Operand): string {
  return jcs(operand as unknown as Json);
}

export function operandDigest(operand: Operand): Uint8Array {
  return sha256(utf8(operandText(operand)));
}

/**
 * Text to operand: canonical, bounded, exactly the members of its operation. Nothing in it is verified yet.
 * @throws BalanceError `operand_invalid`
 */
export function parseOperand(text: string): Operand {
  if (text.length > MAX_OPERAND_LENGTH) throw new BalanceError("operand_invalid", "the operand is too long");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new BalanceError("operand_invalid", "the operand is not JSON", { cause });
  }
  const { data, error } = schema.safeParse(json);
  if (error) {
    const path = error.issues[0]?.path.join(".") ?? "";
    throw new BalanceError("operand_invalid", `the operand's ${path || "members"} do not fit its operation`);
  }
  if (operandText(data) !== text)
    throw new BalanceError("operand_invalid", "the operand is not canonical JSON");
  return data;
}

/** @throws BalanceError `request_invalid` */
export function requestOf(operand: Extract<Operand, { request: unknown }>): {
  request: LedgerRequest;
  signature: Uint8Array;
} {
  return {
    request: structFromJson(LEDGER_REQUEST, operand.request, "request_invalid"),
    signature: fromHex(operand.signature),
  };
}

/** @throws BalanceError `order_invalid` */
export function orderOf(json: unknown): LedgerOrder {
  return structFromJson(LEDGER_ORDER, json, "order_invalid");
}

export const requestJson = (value: LedgerRequest) => structToJson(LEDGER_REQUEST, value);
export const orderJson = (value: LedgerOrder) => structToJson(LEDGER_ORDER, value);

/** The ciphertexts and lists that an operand names: what a re-execution needs or makes. */
export function blobsOf(operand: Operand): Uint8Array[] {
  return (["proven", "sufficient", "taken", "amount"] as const)
    .map((name) => Reflect.get(operand, name) as string | undefined)
    .filter((name) => name !== undefined)
    .map((name) => fromHex(name));
}
