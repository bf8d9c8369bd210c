/**
 * The ledger's writer up to the signature: takes what was asked for, refuses what may not be, computes, and says the entry
 * that the vault is to sign. Stores nothing. Browser-safe but for the evaluator that it is given.
 */
import { equal, sha256 } from "../codec/index.ts";
import { advance, type AccountState, type LedgerContext, type LedgerEntry } from "./account.ts";
import { BalanceError } from "./error.ts";
import { operandOfCommand, stepOfCommand, type Command } from "./command.ts";
import { evaluate, type Homomorphic, type Outcome } from "./evaluate.ts";
import { operandDigest, operandText, type Operand } from "./operand.ts";
import { OPERATIONS } from "./operation.ts";
import { ownerToText, accountId, type Owner } from "./owner.ts";

/** Allowances of one account whose rest has not come back. */
export const MAX_ALLOWANCES = 8;

export interface PreparedEntry {
  entry: LedgerEntry;
  operandText: string;
  outcome: Outcome;
  /** The account after it. */
  next: AccountState;
}

export interface PrepareOptions {
  context: LedgerContext;
  evaluator: Homomorphic & { execution: { executionDigest: Uint8Array } };
  nowMs: bigint;
}

/**
 * The entry that `command` makes next. What a signature or the account's state refuses is refused before anything is
 * computed, and no refusal changes anything.
 * @param balance the ciphertext of `state.balanceDigest`
 * @throws BalanceError `blob_mismatch`, `allowance_limit`, what `advance` and `evaluate` throw
 */
export async function prepareEntry(
  state: AccountState,
  balance: Uint8Array,
  command: Command,
  { context, evaluator, nowMs }: PrepareOptions,
): Promise<PreparedEntry> {
  if (!equal(sha256(balance), state.balanceDigest))
    throw new BalanceError("blob_mismatch", "the ciphertext is not the account's balance");
  if (command.operation === "allowance" && state.allowances.length >= MAX_ALLOWANCES)
    throw new BalanceError(
      "allowance_limit",
      `an account has at most ${MAX_ALLOWANCES} allowances at a time`,
    );
  const computes = command.operation !== "freeze" && command.operation !== "unfreeze";
  const entryOf = (outcome: Outcome) => {
    const operand = operandOfCommand(command, outcome);
    const entry: LedgerEntry = {
      account: state.account,
      sequence: state.sequence + 1n,
      operation: OPERATIONS[command.operation],
      previousDigest: state.balanceDigest,
      newDigest: sha256(outcome.balance),
      operandDigest: operandDigest(operand),
      serverKeyDigest: context.serverKeyDigest,
      executionDigest: computes ? evaluator.execution.executionDigest : new Uint8Array(32),
      issuedAtMs: nowMs,
    };
    return {
      entry,
      operandText: operandText(operand),
      outcome,
      next: advance(state, entry, operand, context),
    };
  };
  // Once without the result, so that what is refused anyway costs nothing.
  entryOf({ balance, sufficient: balance, taken: balance });
  return entryOf(await evaluate(evaluator, balance, stepOfCommand(command)));
}

/**
 * An account's first entry.
 * @param zero a fresh encryption of 0 that the vault made
 * @throws BalanceError `owner_invalid`
 */
export function prepareOpening(
  owner: Owner,
  zero: Uint8Array,
  { context, nowMs }: Pick<PrepareOptions, "context" | "nowMs">,
): PreparedEntry {
  const operand: Operand = { formatVersion: 1, operation: "open", owner: ownerToText(owner) };
  const entry: LedgerEntry = {
    account: accountId(owner),
    sequence: 1n,
    operation: OPERATIONS.open,
    previousDigest: new Uint8Array(32),
    newDigest: sha256(zero),
    operandDigest: operandDigest(operand),
    serverKeyDigest: context.serverKeyDigest,
    executionDigest: new Uint8Array(32),
    issuedAtMs: nowMs,
  };
  const next = advance(undefined, entry, operand, context);
  return { entry, operandText: operandText(operand), outcome: { balance: zero }, next };
}
