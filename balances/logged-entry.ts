/**
 * Entries as a service publishes them and an auditor takes them: the statement, the keyset under which it was signed, its
 * place in the log, its operand and its execution record. Browser-safe.
 */
import { z } from "zod";
import { equal, fromHex, toHex0x, type Json } from "../codec/index.ts";
import {
  keysetDigest,
  leafData,
  leafHash,
  logProofToJson,
  MAX_KEYSET_LENGTH,
  MAX_NOTE_LENGTH,
  parseKeyset,
  recoverSigner,
  STATEMENT_FIELDS,
  statementDigest,
  statementToJson,
  verifyCheckpoint,
  verifyInclusion,
  type KeysetDocument,
  type LogProof,
  type NoteKey,
} from "../receipts/index.ts";
import type { LedgerEntry } from "./account.ts";
import type { PublishedEntry } from "./audit.ts";
import { BalanceError } from "./error.ts";
import { structFromJson } from "./typed-data.ts";

export interface LoggedEntry extends PublishedEntry {
  signature: Uint8Array;
  /** Exact text of the keyset under which it was signed. */
  keyset: string;
  log: LogProof;
}

/** Entries in one document; a longer chain comes in several. */
export const MAX_DOCUMENT_ENTRIES = 256;
/** Of the document's JSON text, in characters. */
export const MAX_DOCUMENT_LENGTH = 32 * 1024 * 1024;
const MAX_OPERAND_LENGTH = 16 * 1024;
const MAX_EXECUTION_LENGTH = 4 * 1024;

const bytes32 = z.string().regex(/^0x[0-9a-f]{64}$/);
const schema = z.strictObject({
  formatVersion: z.literal(1),
  entries: z
    .array(
      z.strictObject({
        statement: z.record(z.string(), z.union([z.string(), z.number()])),
        signature: z.string().regex(/^0x[0-9a-f]{130}$/),
        keyset: z.string().max(MAX_KEYSET_LENGTH),
        log: z.strictObject({
          origin: z.string().max(255),
          leafIndex: z.string().regex(/^(0|[1-9][0-9]{0,18})$/),
          proof: z.array(bytes32).max(64),
          checkpoint: z.string().max(MAX_NOTE_LENGTH),
        }),
        operand: z.string().max(MAX_OPERAND_LENGTH),
        execution: z.string().max(MAX_EXECUTION_LENGTH),
      }),
    )
    .max(MAX_DOCUMENT_ENTRIES),
});

export function entriesToJson(entries: readonly LoggedEntry[]): { [member: string]: Json } {
  return {
    formatVersion: 1,
    entries: entries.map(({ entry, signature, keyset, log, operandText, executionText }) => ({
      statement: statementToJson("LedgerEntry", entry),
      signature: toHex0x(signature),
      keyset,
      log: logProofToJson(log),
      operand: operandText,
      execution: executionText,
    })),
  };
}

/**
 * JSON text of an account's entries to its parts. Nothing is verified yet.
 * @throws BalanceError `entry_invalid`
 */
export function parseEntries(text: string): LoggedEntry[] {
  if (text.length > MAX_DOCUMENT_LENGTH) throw new BalanceError("entry_invalid", "the document is too long");
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new BalanceError("entry_invalid", "the document is not JSON", { cause });
  }
  const { data, error } = schema.safeParse(json);
  if (error)
    throw new BalanceError("entry_invalid", `not due: ${error.issues[0]?.path.join(".") || "document"}`);
  return data.entries.map(({ statement, signature, keyset, log, operand, execution }) => ({
    entry: structFromJson(STATEMENT_FIELDS.LedgerEntry, statement, "entry_invalid") as LedgerEntry,
    signature: fromHex(signature),
    keyset,
    log: { ...log, leafIndex: BigInt(log.leafIndex), proof: log.proof.map((hash) => fromHex(hash)) },
    operandText: operand,
    executionText: execution,
  }));
}

/**
 * Returns the keyset where its key signed the entry, the entry is in this log, and the ledger's server key is one that the
 * keyset names. That the keyset is attested, and that its statement stands before the entry, is checked as for every
 * statement (docs/spec/verification.md) and not here.
 * @throws BalanceError `signature_invalid`, `server_key_mismatch`; ReceiptError of keyset, signature, note and proof
 */
export function verifyLoggedEntry(
  { entry, signature, keyset: text, log }: Omit<LoggedEntry, keyof PublishedEntry> & { entry: LedgerEntry },
  key: NoteKey,
): KeysetDocument {
  const keyset = parseKeyset(text);
  if (keyset.log.origin !== key.name || !equal(keyset.log.publicKey, key.publicKey))
    throw new BalanceError("signature_invalid", "the entry's keyset is of another log");
  const digest = statementDigest("LedgerEntry", entry);
  if (!equal(recoverSigner(digest, signature), keyset.receiptAddress))
    throw new BalanceError("signature_invalid", "the entry was not signed by its keyset's key");
  const [serverKey] = keyset.fhePublicKeyDigests;
  if (!serverKey || !equal(serverKey, entry.serverKeyDigest))
    throw new BalanceError("server_key_mismatch", "the keyset names another server key");
  const { size, root } = verifyCheckpoint(log.checkpoint, key);
  const data = leafData("LedgerEntry", digest, keysetDigest(text), signature);
  verifyInclusion(leafHash(data), log.leafIndex, size, log.proof, root);
  return keyset;
}
