/** An entry's check: the vault is asked once, and what it said is in the log for everybody. */
import { BalanceError, checkOpening, parseOperand } from "../../balances/index.ts";
import { fromHex, toHex } from "../../codec/index.ts";
import { decodeStatement, statementDigest } from "../../receipts/index.ts";
import { findStatement, listEntries } from "../db/index.ts";
import type { LedgerCheckView } from "../services.ts";
import { logOnce, requireBlob, type WriterParts } from "./writer.ts";

/** @throws BalanceError `entry_unknown`, `blob_missing`; VaultError; DatabaseError; ServiceError `session_unavailable` */
export async function checkEntry(
  parts: WriterParts,
  account: Uint8Array,
  sequence: bigint,
): Promise<LedgerCheckView> {
  const [row] = await listEntries(parts.database, account, { after: sequence - 1n, limit: 1 });
  const stored = row?.sequence === sequence ? await findStatement(parts.database, row.digest) : undefined;
  if (!row || !stored) throw new BalanceError("entry_unknown", "the account has no such entry");
  const entry = decodeStatement("LedgerEntry", stored.words);
  const known = async (consistent: boolean): Promise<LedgerCheckView | undefined> => {
    const digest = statementDigest("Opening", checkOpening(entry, consistent));
    return (await findStatement(parts.database, digest)) && { consistent, receiptId: toHex(digest) };
  };
  const before = (await known(false)) ?? (await known(true));
  if (before) return before;
  const operand = parseOperand(row.operand);
  const blob = (digest: Uint8Array) => requireBlob(parts, digest);
  const named = async (member: string): Promise<Uint8Array | null> => {
    const digest = Reflect.get(operand, member) as string | undefined;
    return digest === undefined ? null : blob(fromHex(digest));
  };
  const request = {
    entry: { words: stored.words, operand: row.operand, mac: row.mac },
    previous: sequence === 1n ? null : await blob(entry.previousDigest),
    balance: await blob(entry.newDigest),
    proven: await named("proven"),
    amount: (await named("amount")) ?? (await named("taken")),
    sufficient: await named("sufficient"),
  };
  const opening = await parts.sessions.current().signWith((vault) => vault.checkLedgerEntry(request));
  await logOnce(parts, "Opening", opening);
  const consistent = decodeStatement("Opening", opening.words).result === 1;
  if (!consistent) parts.log.error({ receiptId: toHex(opening.digest) }, "an entry does not add up");
  return { consistent, receiptId: toHex(opening.digest) };
}
