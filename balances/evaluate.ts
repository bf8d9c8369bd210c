/** One operation on one balance: what is computed is the same for the ledger's writer and for whoever checks it. */
import { fromHex } from "../codec/index.ts";
import type { Operand } from "./operand.ts";
import { requestOf } from "./operand.ts";
import { proofMetadata, type LedgerRequest } from "./request.ts";

export interface Debited {
  balance: Uint8Array;
  /** One encrypted bit: whether the balance covered the amount. */
  sufficient: Uint8Array;
  /** The amount where it was covered, else zero; absent where the amount was clear. */
  taken?: Uint8Array;
}

/** What computes on ciphertexts; the addon, behind `openEvaluator`. Every method throws `BalanceError` with the addon's codes. */
export interface Homomorphic {
  verifyAndExpand(proven: Uint8Array, metadata: Uint8Array): Promise<Uint8Array>;
  credit(balance: Uint8Array, amount: Uint8Array): Promise<Uint8Array>;
  creditClear(balance: Uint8Array, amountAtomic: bigint): Promise<Uint8Array>;
  debit(balance: Uint8Array, amount: Uint8Array): Promise<Debited>;
  debitClear(balance: Uint8Array, amountAtomic: bigint): Promise<Debited>;
}

/** An operation with the ciphertexts that it takes. */
export type Step =
  | { operation: "credit" | "debit"; amountAtomic: bigint }
  | { operation: "deposit" | "privateDebit" | "transferOut"; request: LedgerRequest; proven: Uint8Array }
  | { operation: "transferIn"; taken: Uint8Array }
  | { operation: "allowance" | "refund"; amount: Uint8Array }
  | { operation: "freeze" | "unfreeze" };

export interface Outcome {
  balance: Uint8Array;
  sufficient?: Uint8Array;
  taken?: Uint8Array;
}

/** @throws BalanceError the addon's codes; `proof_invalid` also for a proof of another account or request */
export async function evaluate(on: Homomorphic, balance: Uint8Array, step: Step): Promise<Outcome> {
  switch (step.operation) {
    case "credit":
      return { balance: await on.creditClear(balance, step.amountAtomic) };
    case "debit":
      return on.debitClear(balance, step.amountAtomic);
    case "deposit":
      return { balance: await on.credit(balance, await expand(on, step)) };
    case "privateDebit":
    case "transferOut":
      return on.debit(balance, await expand(on, step));
    case "transferIn":
      return { balance: await on.credit(balance, step.taken) };
    case "refund":
      return { balance: await on.credit(balance, step.amount) };
    case "allowance":
      return on.debit(balance, step.amount);
    case "freeze":
    case "unfreeze":
      return { balance };
  }
}

function expand(
  on: Homomorphic,
  { request, proven }: { request: LedgerRequest; proven: Uint8Array },
): Promise<Uint8Array> {
  return on.verifyAndExpand(proven, proofMetadata(request));
}

/**
 * The step of a stored operand.
 * @param blob a ciphertext by its SHA-256, checked by whoever hands it over
 * @returns undefined for `open`, which nobody computes: the vault encrypts the first zero
 */
export async function stepOf(
  operand: Operand,
  blob: (digest: Uint8Array) => Promise<Uint8Array>,
): Promise<Step | undefined> {
  const { operation } = operand;
  switch (operation) {
    case "open":
      return undefined;
    case "credit":
      return { operation, amountAtomic: BigInt(operand.amountAtomic) };
    case "debit":
      return { operation, amountAtomic: requestOf(operand).request.amountAtomic };
    case "deposit":
    case "privateDebit":
    case "transferOut": {
      const { request } = requestOf(operand);
      return { operation, request, proven: await blob(fromHex(operand.proven)) };
    }
    case "transferIn":
      return { operation, taken: await blob(fromHex(operand.taken)) };
    case "allowance":
    case "refund":
      return { operation, amount: await blob(fromHex(operand.amount)) };
    case "freeze":
    case "unfreeze":
      return { operation };
  }
}
