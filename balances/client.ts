/** What an account's owner and an auditor need of balances. Browser-safe. */
export * from "./error.ts";
export * from "./operation.ts";
export * from "./owner.ts";
export {
  LEDGER_ORDER,
  LEDGER_REQUEST,
  MAX_VALIDITY_MS,
  checkRequestShape,
  orderDigest,
  proofMetadata,
  requestDigest,
  verifyOrder,
  verifyRequest,
} from "./request.ts";
export type { LedgerOrder, LedgerRequest } from "./request.ts";
export * from "./operand.ts";
export * from "./account.ts";
export * from "./supply.ts";
export { structDigest, structFromJson } from "./typed-data.ts";
export type { StructOf } from "./typed-data.ts";
export * from "./evaluate.ts";
export type { Command } from "./command.ts";
export * from "./credit-source.ts";
export * from "./prepare.ts";
export * from "./opening.ts";
export * from "./audit.ts";
export * from "./logged-entry.ts";
export * from "./reading.ts";
export * from "./terms.ts";
export * from "./price-list.ts";
export * from "./prove.ts";
export * from "./sign.ts";
