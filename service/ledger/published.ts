/** Entries as an audit takes them: with their openings, as far as a checkpoint covers them. */
import { checkOpening, parseOperand, type Logged, type LoggedEntry } from "../../balances/index.ts";
import { fromUtf8 } from "../../codec/index.ts";
import { decodeStatement, statementDigest } from "../../receipts/index.ts";
import { findStatement, readDocument, type Database, type LedgerEntryRow } from "../db/index.ts";
import type { KeysetRecords } from "../keyset-records.ts";

export interface PublishingParts {
  database: Database;
  keysets: KeysetRecords;
}

/** Undefined where the entry, or the opening of its bit, is not covered by a checkpoint yet. */
export async function publishedEntry(
  parts: PublishingParts,
  row: LedgerEntryRow,
): Promise<LoggedEntry | undefined> {
  const stored = await logged(parts, row.digest);
  if (!stored) return undefined;
  const { words, ...place } = stored;
  const entry = decodeStatement("LedgerEntry", words);
  parseOperand(row.operand);
  const computed = entry.executionDigest.some((byte) => byte !== 0);
  const execution = computed ? await readDocument(parts.database, entry.executionDigest) : new Uint8Array(0);
  const bit = row.opening && (await logged(parts, row.opening));
  if (!execution || (row.opening && !bit)) return undefined;
  const [yes, no] = await Promise.all(
    [true, false].map((is) => logged(parts, statementDigest("Opening", checkOpening(entry, is)))),
  );
  const openings = [bit, no ?? yes].filter((each) => each !== null && each !== undefined);
  return {
    entry,
    ...place,
    openings: openings.map(({ words: opened, ...at }) => ({
      opening: decodeStatement("Opening", opened),
      ...at,
    })),
    operandText: row.operand,
    executionText: fromUtf8(execution),
  };
}

async function logged(
  { database, keysets }: PublishingParts,
  digest: Uint8Array,
): Promise<(Logged & { words: Uint8Array }) | undefined> {
  const stored = await findStatement(database, digest);
  const log = stored && (await keysets.logProof(stored.leafIndex));
  const keyset = log && (await readDocument(database, stored.keysetDigest));
  if (!keyset) return undefined;
  return { words: stored.words, signature: stored.signature, keyset: fromUtf8(keyset), log };
}
