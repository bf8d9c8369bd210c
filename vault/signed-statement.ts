import type { StatementType } from "../receipts/index.ts";
import type { SignedWords } from "./wire/operations.ts";

/** A statement as the vault signed it. */
export interface SignedStatement extends SignedWords {
  type: StatementType;
}
