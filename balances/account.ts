/**
 * An account's chain: which entry may come next, and what it does to the account's state. The writer of the ledger and its
 * auditor ask the same function. Balances are ciphertexts, known here by their SHA-256. Browser-safe.
 */
import { equal, fromHex, toHex0x } from "../codec/index.ts";
import type { StatementOf } from "../receipts/index.ts";
import { BalanceError } from "./error.ts";
import { operandDigest, orderOf, requestOf, type Operand, type OperandOf } from "./operand.ts";
import { DEBITS, entryName, OPERATIONS } from "./operation.ts";
import { accountId, parseOwner, type Owner } from "./owner.ts";
import { isZero, verifyOrder, verifyRequest, type LedgerRequest } from "./request.ts";

export type LedgerEntry = StatementOf<"LedgerEntry">;

export interface AccountState {
  /** 32 bytes. */
  account: Uint8Array;
  owner: Owner;
  /** Of the last entry, from 1. */
  sequence: bigint;
  /** Of the owner's last request that made an entry; 0 before the first. */
  requestSequence: bigint;
  /** SHA-256 of the balance's ciphertext. */
  balanceDigest: Uint8Array;
  frozen: boolean;
  /** Sequences of the allowances whose rest has not come back. */
  allowances: readonly bigint[];
}

export interface LedgerContext {
  /** SHA-256 of the evaluation key that this ledger computes with. */
  serverKeyDigest: Uint8Array;
  /** Whose orders count. */
  operator: Owner;
}

/**
 * Whether an owner's request may be carried out on the account as it stands.
 * @throws BalanceError what `verifyRequest` throws, `request_replayed`, `request_out_of_order`, `account_frozen`
 */
export function admitRequest(
  state: AccountState,
  { request, signature }: { request: LedgerRequest; signature: Uint8Array },
  { serverKeyDigest }: Pick<LedgerContext, "serverKeyDigest">,
  nowMs: bigint,
) {
  const { account, owner } = state;
  const name = verifyRequest(request, signature, { account, owner, serverKeyDigest, nowMs });
  const due = request.operation < OPERATIONS.reading ? state.requestSequence + 1n : 0n;
  if (request.requestSequence < due)
    throw new BalanceError("request_replayed", "the request was carried out, or another in its place");
  if (request.requestSequence > due)
    throw new BalanceError("request_out_of_order", `the next request has the sequence ${due}`);
  if (state.frozen && DEBITS.has(name)) throw new BalanceError("account_frozen", "the account is frozen");
  return name;
}

/**
 * The state after an entry, where the entry may follow: it continues the chain, its operand is the one that it names, and
 * who had to sign signed. That the new ciphertext holds the right balance, `reexecute` shows; that money is not made twice,
 * `Supply`.
 * @param state undefined before an account's first entry
 * @throws BalanceError `entry_invalid`, `operand_mismatch`, `server_key_mismatch`, `chain_broken`, `account_exists`,
 * `account_unknown`, `operation_invalid`, `refund_unknown`, what `admitRequest` and `verifyOrder` throw
 */
export function advance(
  state: AccountState | undefined,
  entry: LedgerEntry,
  operand: Operand,
  context: LedgerContext,
): AccountState {
  if (entryName(entry.operation) !== operand.operation)
    throw new BalanceError("entry_invalid", "the entry and its operand name different operations");
  if (!equal(operandDigest(operand), entry.operandDigest))
    throw new BalanceError("operand_mismatch", "the operand is not the one that the entry names");
  if (!equal(entry.serverKeyDigest, context.serverKeyDigest))
    throw new BalanceError("server_key_mismatch", "the entry is of another server key");
  if (operand.operation === "open") return opened(state, entry, operand);
  if (!state) throw new BalanceError("account_unknown", "the account has no first entry");
  checkLink(state, entry);
  const next = { ...state, sequence: entry.sequence, balanceDigest: entry.newDigest };
  if ("request" in operand) {
    const signed = requestOf(operand);
    admitRequest(state, signed, context, entry.issuedAtMs);
    checkRequested(operand, signed.request);
    if (operand.operation === "deposit") checkMoney(entry, operand, toHex0x(signed.request.subject), context);
    const allowances =
      operand.operation === "allowance" ? [...state.allowances, entry.sequence] : state.allowances;
    return { ...next, requestSequence: signed.request.requestSequence, allowances };
  }
  if (operand.operation === "credit") checkMoney(entry, operand, operand.reference, context);
  if (operand.operation === "refund")
    return { ...next, allowances: refunded(state, BigInt(operand.sequence)) };
  if (operand.operation !== "freeze" && operand.operation !== "unfreeze") return next;
  checkOrder(entry, operand, context);
  const frozen = operand.operation === "freeze";
  if (frozen === state.frozen || !equal(entry.newDigest, entry.previousDigest))
    throw new BalanceError(
      "operation_invalid",
      "freezing changes whether the account is frozen, and only that",
    );
  return { ...next, frozen };
}

function opened(
  state: AccountState | undefined,
  entry: LedgerEntry,
  operand: OperandOf<"open">,
): AccountState {
  if (state) throw new BalanceError("account_exists", "the account exists");
  const owner = parseOwner(operand.owner);
  if (entry.sequence !== 1n || !isZero(entry.previousDigest))
    throw new BalanceError("chain_broken", "a first entry has sequence 1 and nothing before it");
  if (!equal(accountId(owner), entry.account))
    throw new BalanceError("account_mismatch", "the account is not the owner's");
  const { account, sequence, newDigest } = entry;
  return {
    account,
    owner,
    sequence,
    requestSequence: 0n,
    balanceDigest: newDigest,
    frozen: false,
    allowances: [],
  };
}

/** @throws BalanceError `refund_unknown` */
function refunded({ allowances }: AccountState, sequence: bigint): readonly bigint[] {
  if (!allowances.includes(sequence))
    throw new BalanceError("refund_unknown", "the account has no such allowance that was not refunded");
  return allowances.filter((open) => open !== sequence);
}

function checkLink(state: AccountState, entry: LedgerEntry): void {
  if (!equal(entry.account, state.account))
    throw new BalanceError("account_mismatch", "the entry is of another account");
  if (entry.sequence !== state.sequence + 1n || !equal(entry.previousDigest, state.balanceDigest))
    throw new BalanceError("chain_broken", `entry ${entry.sequence} does not follow ${state.sequence}`);
}

function checkRequested(operand: Extract<Operand, { request: unknown }>, request: LedgerRequest): void {
  if (request.operation !== OPERATIONS[operand.operation])
    throw new BalanceError("entry_invalid", "the owner asked for another operation");
  if ("proven" in operand && toHex0x(request.operandDigest) !== operand.proven)
    throw new BalanceError("operand_mismatch", "the owner signed another encrypted amount");
}

function checkMoney(
  entry: LedgerEntry,
  { source, amountAtomic, voucher }: OperandOf<"credit" | "deposit">,
  reference: string,
  context: LedgerContext,
): void {
  if (amountAtomic === "0") throw new BalanceError("operand_invalid", "a credit of nothing");
  if ((source === "voucher") !== (voucher !== null))
    throw new BalanceError("operand_invalid", "a voucher has an order, a payment none");
  if (voucher === null) return;
  const order = checkOrder(entry, { operation: "credit", ...voucher }, context);
  if (order.amountAtomic !== BigInt(amountAtomic) || toHex0x(order.reference) !== reference)
    throw new BalanceError("operand_mismatch", "the voucher is of another amount or reference");
}

function checkOrder(
  entry: LedgerEntry,
  operand: { operation: "credit" | "freeze" | "unfreeze"; order: unknown; signature: string },
  { operator, serverKeyDigest }: LedgerContext,
) {
  const order = orderOf(operand.order);
  const name = verifyOrder(order, fromHex(operand.signature), {
    operator,
    serverKeyDigest,
    nowMs: entry.issuedAtMs,
  });
  if (name !== operand.operation)
    throw new BalanceError("entry_invalid", "the order is of another operation");
  if (!equal(order.account, entry.account))
    throw new BalanceError("account_mismatch", "the order is for another account");
  return order;
}
