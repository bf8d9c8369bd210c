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
  type StatementOf,
} from "../receipts/index.ts";
import type { LedgerEntry } from "./account.ts";
import type { PublishedEntry } from "./audit.ts";
import { BalanceError } from "./error.ts";
import { readOpenings, type OpenedOfEntry } from "./opening.ts";
import { parseOperand } from "./operand.ts";
import { structFromJson } from "./typed-data.ts";

/** Where a statement stands. */
export interface Logged {
  signature: Uint8Array;
  /** Exact text of the keyset under which it was signed. */
  keyset: string;
  log: LogProof;
}

export interface LoggedOpening extends Logged {
  opening: StatementOf<"Opening">;
}

export interface LoggedEntry extends PublishedEntry, Logged {
  /** Whether a debit was covered, and what the vault said where it was asked to check. */
  openings: readonly LoggedOpening[];
}

/** Entries in one document; a longer chain comes in several. */
export const MAX_DOCUMENT_ENTRIES = 256;
/** Of the document's JSON text, in characters. */
export const MAX_DOCUMENT_LENGTH = 32 * 1024 * 1024;
const MAX_OPERAND_LENGTH = 16 * 1024;
const MAX_EXECUTION_LENGTH = 4 * 1024;
/** Of an entry: one of each kind. */
const MAX_OPENINGS = 2;

const bytes32 = z.string().regex(/^0x[0-9a-f]{64}$/);
const logged = {
  statement: z.record(z.string(), z.union([z.string(), z.number()])),
  signature: z.string().regex(/^0x[0-9a-f]{130}$/),
  keyset: z.string().max(MAX_KEYSET_LENGTH),
  log: z.strictObject({
    origin: z.string().max(255),
    leafIndex: z.string().regex(/^(0|[1-9][0-9]{0,18})$/),
    proof: z.array(bytes32).max(64),
    checkpoint: z.string().max(MAX_NOTE_LENGTH),
  }),
};
const schema = z.strictObject({
  formatVersion: z.literal(1),
  entries: z
    .array(
      z.strictObject({
        ...logged,
        openings: z.array(z.strictObject(logged)).max(MAX_OPENINGS),
        operand: z.string().max(MAX_OPERAND_LENGTH),
        execution: z.string().max(MAX_EXECUTION_LENGTH),
      }),
    )
    .max(MAX_DOCUMENT_ENTRIES),
});

export function entriesToJson(entries: readonly LoggedEntry[]): { [member: string]: Json } {
  return {
    formatVersion: 1,
    entries: entries.map(({ entry, operandText, executionText, openings, ...place }) => ({
      statement: statementToJson("LedgerEntry", entry),
      ...loggedToJson(place),
      openings: openings.map(({ opening, ...opened }) => ({
        statement: statementToJson("Opening", opening),
        ...loggedToJson(opened),
      })),
      operand: operandText,
      execution: executionText,
    })),
  };
}

function loggedToJson({ signature, keyset, log }: Logged) {
  return { signature: toHex0x(signature), keyset, log: logProofToJson(log) };
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
  return data.entries.map(({ operand, execution, openings, ...entry }) => ({
    entry: structFromJson(STATEMENT_FIELDS.LedgerEntry, entry.statement, "entry_invalid") as LedgerEntry,
    ...loggedFromJson(entry),
    openings: openings.map((opening) => ({
      opening: structFromJson(
        STATEMENT_FIELDS.Opening,
        opening.statement,
        "entry_invalid",
      ) as StatementOf<"Opening">,
      ...loggedFromJson(opening),
    })),
    operandText: operand,
    executionText: execution,
  }));
}

function loggedFromJson({ signature, keyset, log }: z.infer<z.ZodObject<typeof logged>>): Logged {
  const proof = log.proof.map((hash) => fromHex(hash));
  return { signature: fromHex(signature), keyset, log: { ...log, leafIndex: BigInt(log.leafIndex), proof } };
}

/**
 * Returns the keyset, and what was opened of the entry, where its keyset's key signed each, each is in this log, and the ledger's
 * server key is one that the keyset names. That the keyset is attested, and that its statement stands before the entry, is checked
 * as for every statement (docs/spec/verification.md) and not here.
 * @throws BalanceError `signature_invalid`, `server_key_mismatch`, `entry_invalid`, `operand_invalid`; ReceiptError of keyset,
 * signature, note and proof
 */
export function verifyLoggedEntry(
  { entry, operandText, openings, ...place }: LoggedEntry,
  key: NoteKey,
): { keyset: KeysetDocument; opened: OpenedOfEntry } {
  const keyset = verifyLogged("LedgerEntry", statementDigest("LedgerEntry", entry), place, key);
  const [serverKey] = keyset.fhePublicKeyDigests;
  if (!serverKey || !equal(serverKey, entry.serverKeyDigest))
    throw new BalanceError("server_key_mismatch", "the keyset names another server key");
  for (const { opening, ...opened } of openings)
    verifyLogged("Opening", statementDigest("Opening", opening), opened, key);
  if (openings.length === 0) return { keyset, opened: {} };
  const statements = openings.map(({ opening }) => opening);
  return { keyset, opened: readOpenings(entry, parseOperand(operandText), statements) };
}

function verifyLogged(
  type: "LedgerEntry" | "Opening",
  digest: Uint8Array,
  { signature, keyset: text, log }: Logged,
  key: NoteKey,
): KeysetDocument {
  const keyset = parseKeyset(text);
  if (keyset.log.origin !== key.name || !equal(keyset.log.publicKey, key.publicKey))
    throw new BalanceError("signature_invalid", "the entry's keyset is of another log");
  if (!equal(recoverSigner(digest, signature), keyset.receiptAddress))
    throw new BalanceError("signature_invalid", "the entry was not signed by its keyset's key");
  const { size, root } = verifyCheckpoint(log.checkpoint, key);
  const data = leafData(type, digest, keysetDigest(text), signature);
  verifyInclusion(leafHash(data), log.leafIndex, size, log.proof, root);
  return keyset;
}
