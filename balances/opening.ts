/**
 * What the vault opens of an account, as its `Opening` statements say it: whether a debit was covered, that the owner read the
 * balance, and whether an entry that it signed adds up when it is decrypted once more. Browser-safe.
 */
import { equal } from "../codec/index.ts";
import { statementDigest, type StatementOf } from "../receipts/index.ts";
import type { LedgerEntry } from "./account.ts";
import { BalanceError } from "./error.ts";
import { requestOf, type Operand } from "./operand.ts";
import { DEBITS } from "./operation.ts";
import { requestDigest } from "./request.ts";

/** `Opening.kind`. */
export const OPENING_KINDS = { sufficient: 1, reading: 2, consistent: 3 } as const;

type Opening = StatementOf<"Opening">;

/** What was opened of one entry. */
export interface OpenedOfEntry {
  /** Of a debit: whether the balance covered it. */
  sufficient?: boolean;
  /** Where a vault was asked: whether the new ciphertext holds what the operation makes of those that the entry names. */
  consistent?: boolean;
}

/** The one check of an entry: with the entry's own time, so that it is the same whenever and of whichever vault it is asked. */
export function checkOpening(entry: LedgerEntry, consistent: boolean): Opening {
  return openingOf(entry, OPENING_KINDS.consistent, new Uint8Array(32), consistent);
}

/** @param asked digest of the owner's request, 32 bytes */
export function sufficientOpening(entry: LedgerEntry, asked: Uint8Array, sufficient: boolean): Opening {
  return openingOf(entry, OPENING_KINDS.sufficient, asked, sufficient);
}

function openingOf(entry: LedgerEntry, kind: number, asked: Uint8Array, result: boolean): Opening {
  const { account, sequence, issuedAtMs } = entry;
  const subject = statementDigest("LedgerEntry", entry);
  return { account, sequence, kind, subject, requestDigest: asked, result: result ? 1 : 0, issuedAtMs };
}

/**
 * What openings say of an entry. Who signed them is checked elsewhere.
 * @throws BalanceError `entry_invalid` for an opening of something else, or two that contradict each other
 */
export function readOpenings(
  entry: LedgerEntry,
  operand: Operand,
  openings: readonly Opening[],
): OpenedOfEntry {
  const opened: OpenedOfEntry = {};
  for (const opening of openings) {
    const member = openedMember(entry, operand, opening);
    if (opened[member] !== undefined) throw new BalanceError("entry_invalid", "an entry was opened twice");
    opened[member] = opening.result === 1;
  }
  return opened;
}

function openedMember(entry: LedgerEntry, operand: Operand, opening: Opening): keyof OpenedOfEntry {
  const given = statementDigest("Opening", opening);
  const is = (wanted: Opening) => equal(given, statementDigest("Opening", wanted));
  const result = opening.result === 1;
  if (is(checkOpening(entry, result))) return "consistent";
  const asked =
    DEBITS.has(operand.operation) && "request" in operand ? requestOf(operand).request : undefined;
  if (asked && is(sufficientOpening(entry, requestDigest(asked), result))) return "sufficient";
  throw new BalanceError("entry_invalid", "the opening is not of this entry");
}
