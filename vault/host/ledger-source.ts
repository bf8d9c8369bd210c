/**
 * Entries of other accounts and of other vaults: a transfer arrives only from one that left, wherever that was signed. Each vault
 * of the cluster vouches for what it signed by HMAC-SHA256 over `"entry" ‖ words ‖ SHA-256 of the operand`.
 */
import {
  OPERATIONS,
  parseOperand,
  requestOf,
  type LedgerEntry,
  type Operand,
} from "../../balances/client.ts";
import { concat, equal, fromHex, hmacSha256, sha256, utf8 } from "../../codec/index.ts";
import { decodeStatement } from "../../receipts/index.ts";
import { VaultError } from "../error.ts";
import type { VouchedEntry } from "../wire/balances.ts";

export function vouch(macKey: Uint8Array, words: Uint8Array, operand: string): Uint8Array {
  return hmacSha256(macKey, concat(utf8("entry"), words, sha256(utf8(operand))));
}

/** @throws VaultError `ledger_head_invalid` where no vault of this cluster signed it */
export function readVouched(macKey: Uint8Array, { words, operand, mac }: VouchedEntry) {
  if (!equal(vouch(macKey, words, operand), mac)) throw new VaultError("ledger_head_invalid");
  return { entry: decodeStatement("LedgerEntry", words), operand: parseOperand(operand) };
}

/**
 * Returns where the entry comes from the one that it names, or comes from none.
 * @throws VaultError `ledger_head_invalid`, `ledger_refused`
 */
export function checkSource(
  macKey: Uint8Array,
  entry: LedgerEntry,
  operand: Operand,
  source: VouchedEntry | null,
): void {
  if ((operand.operation === "transferIn") !== (source !== null)) throw new VaultError("ledger_refused");
  if (operand.operation !== "transferIn" || !source) return;
  const sent = readVouched(macKey, source);
  const fits =
    sent.operand.operation === "transferOut" &&
    sent.entry.operation === OPERATIONS.transferOut &&
    equal(sent.entry.account, fromHex(operand.from)) &&
    sent.entry.sequence === BigInt(operand.sequence) &&
    sent.operand.taken === operand.taken &&
    equal(requestOf(sent.operand).request.subject, entry.account);
  if (!fits) throw new VaultError("ledger_refused");
}
