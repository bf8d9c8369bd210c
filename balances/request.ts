/**
 * What is signed before a balance changes: an owner's request, and the operator's order. Both are EIP-712 structs in the
 * statements' domain, so that a wallet shows what it signs. Specification: docs/spec/balances.md. Browser-safe.
 */
import { concat, equal, utf8 } from "../codec/index.ts";
import { BalanceError } from "./error.ts";
import { OPERATIONS, REQUESTED, type RequestedName } from "./operation.ts";
import { checkOwnerSignature, type Owner } from "./owner.ts";
import { structDigest, type StructOf } from "./typed-data.ts";

export const LEDGER_REQUEST = [
  { name: "account", type: "bytes32" },
  { name: "requestSequence", type: "uint64" },
  { name: "operation", type: "uint8" },
  { name: "amountAtomic", type: "uint64" },
  { name: "operandDigest", type: "bytes32" },
  { name: "subject", type: "bytes32" },
  { name: "serverKeyDigest", type: "bytes32" },
  { name: "expiresAtMs", type: "uint64" },
] as const;

export const LEDGER_ORDER = [
  { name: "account", type: "bytes32" },
  { name: "operation", type: "uint8" },
  { name: "amountAtomic", type: "uint64" },
  { name: "reference", type: "bytes32" },
  { name: "serverKeyDigest", type: "bytes32" },
  { name: "expiresAtMs", type: "uint64" },
] as const;

/**
 * An owner's word. `requestSequence` counts the owner's requests from 1, apart from the account's entries: a credit that
 * arrives meanwhile makes no signature or proof void. What an operation does not use is zero:
 * `amountAtomic` is a clear price; `operandDigest` the SHA-256 of a proven ciphertext list (an allowance: of its terms; a
 * reading: of the owner's HPKE key); `subject` the other account of a transfer, the payment of a deposit, the allowance that is
 * closed. Readings and closings make no entry and have `requestSequence` 0.
 */
export type LedgerRequest = StructOf<typeof LEDGER_REQUEST>;
/** The operator's word: a voucher (`credit`), `freeze` or `unfreeze`. `reference` makes it good once. */
export type LedgerOrder = StructOf<typeof LEDGER_ORDER>;

/** A request or order may be signed this long before it ends, in milliseconds. */
export const MAX_VALIDITY_MS = 24 * 3600 * 1000;

export const isZero = (bytes: Uint8Array): boolean => bytes.every((byte) => byte === 0);

/** @throws BalanceError `request_invalid` */
export function requestDigest(request: LedgerRequest): Uint8Array {
  return structDigest("LedgerRequest", LEDGER_REQUEST, request, "request_invalid");
}

/** @throws BalanceError `order_invalid` */
export function orderDigest(order: LedgerOrder): Uint8Array {
  return structDigest("LedgerOrder", LEDGER_ORDER, order, "order_invalid");
}

/**
 * What a proof of encryption must be made for: the proof holds for this account, this request and this key alone.
 * `"affidavit.v1.amount" ‖ account (32) ‖ requestSequence u64 big-endian ‖ operation u8 ‖ serverKeyDigest (32)`.
 */
export function proofMetadata(
  request: Pick<LedgerRequest, "account" | "requestSequence" | "operation" | "serverKeyDigest">,
): Uint8Array {
  const numbers = new Uint8Array(9);
  new DataView(numbers.buffer).setBigUint64(0, request.requestSequence);
  numbers[8] = request.operation;
  return concat(utf8("affidavit.v1.amount"), request.account, numbers, request.serverKeyDigest);
}

/** Which operation a request is for, its members in the shape that this operation wants. @throws BalanceError `request_invalid` */
export function checkRequestShape(request: LedgerRequest): RequestedName {
  const name = REQUESTED.find((known) => OPERATIONS[known] === request.operation);
  if (name === undefined) throw new BalanceError("request_invalid", "no operation that an owner asks for");
  const wants = MEMBERS[name];
  const has = {
    amount: request.amountAtomic !== 0n,
    operand: !isZero(request.operandDigest),
    subject: !isZero(request.subject),
  };
  for (const member of ["amount", "operand", "subject"] as const) {
    if (has[member] !== wants.includes(member))
      throw new BalanceError(
        "request_invalid",
        `a request of ${name} has ${member} where it should not, or lacks it`,
      );
  }
  if (name === "transferOut" && equal(request.subject, request.account))
    throw new BalanceError("request_invalid", "a transfer goes to another account");
  return name;
}

const MEMBERS: Record<RequestedName, readonly ("amount" | "operand" | "subject")[]> = {
  deposit: ["operand", "subject"],
  debit: ["amount"],
  privateDebit: ["operand"],
  transferOut: ["operand", "subject"],
  allowance: ["operand"],
  reading: ["operand"],
  close: ["subject"],
};

/**
 * Returns where the owner signed this request for this account, it has not ended and does not end too late.
 * Whether its sequence is the next one, `Account` knows.
 * @throws BalanceError `request_invalid`, `account_mismatch`, `server_key_mismatch`, `request_expired`,
 * `request_expiry_too_far`, `signature_invalid`
 */
export function verifyRequest(
  request: LedgerRequest,
  signature: Uint8Array,
  context: { account: Uint8Array; owner: Owner; serverKeyDigest: Uint8Array; nowMs: bigint },
): RequestedName {
  const digest = requestDigest(request);
  const name = checkRequestShape(request);
  if (!equal(request.account, context.account))
    throw new BalanceError("account_mismatch", "the request is for another account");
  if (!equal(request.serverKeyDigest, context.serverKeyDigest))
    throw new BalanceError("server_key_mismatch", "the request is for another server key");
  if (request.expiresAtMs <= context.nowMs)
    throw new BalanceError("request_expired", "the request has ended: sign it again");
  if (request.expiresAtMs > context.nowMs + BigInt(MAX_VALIDITY_MS))
    throw new BalanceError("request_expiry_too_far", "a request may be valid for at most 24 hours");
  checkOwnerSignature(context.owner, digest, signature);
  return name;
}

/**
 * Returns where the operator signed this order and it has not ended. That its reference is new, `Supply` knows.
 * @throws BalanceError `order_invalid`, `order_expired`, `server_key_mismatch`, `signature_invalid`
 */
export function verifyOrder(
  order: LedgerOrder,
  signature: Uint8Array,
  context: { operator: Owner; serverKeyDigest: Uint8Array; nowMs: bigint },
): "credit" | "freeze" | "unfreeze" {
  const digest = orderDigest(order);
  const name = (["credit", "freeze", "unfreeze"] as const).find(
    (known) => OPERATIONS[known] === order.operation,
  );
  if (name === undefined || (name === "credit") !== order.amountAtomic > 0n || isZero(order.reference))
    throw new BalanceError("order_invalid", "the order's members do not fit its operation");
  if (!equal(order.serverKeyDigest, context.serverKeyDigest))
    throw new BalanceError("server_key_mismatch", "the order is for another server key");
  if (order.expiresAtMs <= context.nowMs) throw new BalanceError("order_expired", "the order has ended");
  checkOwnerSignature(context.operator, digest, signature);
  return name;
}
