/** What the ledger is asked to do, as it comes in: an operation with its authority and its ciphertexts. Browser-safe. */
import { jcs, sha256, toHex0x, type Json } from "../codec/index.ts";
import type { Outcome, Step } from "./evaluate.ts";
import type { Credit, SignedOrder } from "./credit-source.ts";
import { orderJson, parseOperand, requestJson, type Operand } from "./operand.ts";
import { DEBITS } from "./operation.ts";
import type { LedgerRequest } from "./request.ts";

interface Asked {
  request: LedgerRequest;
  signature: Uint8Array;
}

/** An operation with its authority and the ciphertexts that it takes. */
export type Command =
  | { operation: "credit"; credit: Credit }
  /** `credit.reference` is the request's `subject`; the caller has seen that the proven amount is the credit's. */
  | ({ operation: "deposit"; credit: Credit; proven: Uint8Array } & Asked)
  | ({ operation: "debit" } & Asked)
  | ({ operation: "privateDebit" | "transferOut"; proven: Uint8Array } & Asked)
  | { operation: "transferIn"; from: Uint8Array; sequence: bigint; taken: Uint8Array }
  | ({ operation: "allowance"; amount: Uint8Array } & Asked)
  | { operation: "refund"; sequence: bigint; amount: Uint8Array }
  | ({ operation: "freeze" | "unfreeze" } & SignedOrder);

export function stepOfCommand(command: Command): Step {
  const { operation } = command;
  if (operation === "debit") return { operation, amountAtomic: command.request.amountAtomic };
  if (operation === "credit") return { operation, amountAtomic: command.credit.amountAtomic };
  return command;
}

const named = (bytes: Uint8Array): string => toHex0x(sha256(bytes));

/**
 * The document of a command and its result: `Operand`'s schema has the last word on which members belong together.
 * @throws BalanceError `operand_invalid`
 */
export function operandOfCommand(command: Command, outcome: Outcome): Operand {
  const { operation } = command;
  const members: Record<string, Json> = { formatVersion: 1, operation };
  if ("request" in command) members.request = requestJson(command.request);
  if ("order" in command) members.order = orderJson(command.order);
  if ("signature" in command) members.signature = toHex0x(command.signature);
  if ("proven" in command) members.proven = named(command.proven);
  if ("amount" in command) members.amount = named(command.amount);
  if ("credit" in command) Object.assign(members, moneyOf(command.credit));
  if ("sequence" in command) members.sequence = String(command.sequence);
  if (command.operation === "credit") members.reference = toHex0x(command.credit.reference);
  if (command.operation === "transferIn") {
    members.from = toHex0x(command.from);
    members.taken = named(command.taken);
  }
  if (DEBITS.has(operation) && outcome.sufficient) members.sufficient = named(outcome.sufficient);
  if (operation === "transferOut" && outcome.taken) members.taken = named(outcome.taken);
  return parseOperand(jcs(members));
}

function moneyOf({ source, amountAtomic, voucher }: Credit): Record<string, Json> {
  return {
    source,
    amountAtomic: String(amountAtomic),
    voucher: voucher && { order: orderJson(voucher.order), signature: toHex0x(voucher.signature) },
  };
}
