/**
 * What this vault signed of the ledger, on disk beside the cluster keys before any of it is released: a database that is put
 * back to an older state, or lies, gets no second entry at a sequence, no reference, transfer or refund twice. One record after
 * another, each `length u32 ‖ SHA-256 (32) ‖ words (288) ‖ operand`, little-endian. What a crash left half written was never
 * released, and is cut off.
 */
import type { FileHandle } from "node:fs/promises";
import {
  BalanceError,
  issue,
  issuedBy,
  parseOperand,
  usedUpBy,
  type LedgerEntry,
} from "../../balances/client.ts";
import { concat, equal, fromUtf8, sha256, toHex, utf8 } from "../../codec/index.ts";
import { decodeStatement, STATEMENT_FIELDS } from "../../receipts/index.ts";
import { VaultError } from "../error.ts";
import { JOURNAL_FILE } from "./key-directory.ts";
import { openPrivateFile } from "./private-file.ts";

const WORDS_BYTES = 32 * STATEMENT_FIELDS.LedgerEntry.length;
const HEADER_BYTES = 36;
const MAX_RECORD_BYTES = 64 * 1024;

interface Last {
  sequence: bigint;
  /** SHA-256 of words and operand. */
  digest: Uint8Array;
}

interface Admitted {
  usedUp: string | undefined;
  issuedAtomic: bigint;
}

export class LedgerJournal {
  readonly #file: FileHandle;
  readonly #usedUp = new Set<string>();
  #issuedAtomic = 0n;
  readonly #last = new Map<string, Last>();
  #end = 0;
  #writing: Promise<unknown> = Promise.resolve();

  private constructor(file: FileHandle) {
    this.#file = file;
  }

  /** @throws VaultError `ledger_journal_invalid`, `key_directory_unsafe` */
  static async open(): Promise<LedgerJournal> {
    const journal = new LedgerJournal(await openPrivateFile(JOURNAL_FILE));
    await journal.#load();
    return journal;
  }

  async close(): Promise<void> {
    await this.#writing;
    await this.#file.close();
  }

  /** What was signed last of the account. */
  lastSequence(account: Uint8Array): bigint {
    return this.#last.get(toHex(account))?.sequence ?? 0n;
  }

  /** Whether exactly this was signed at this place, as the last. */
  holds(entry: LedgerEntry, words: Uint8Array, operand: string): boolean {
    const last = this.#last.get(toHex(entry.account));
    return last?.sequence === entry.sequence && equal(last.digest, sha256(concat(words, utf8(operand))));
  }

  /**
   * Takes an entry that comes next; it is on disk when this resolves. One after another.
   * @throws VaultError `ledger_sequence_taken`, `ledger_refused` (money twice), `ledger_journal_invalid` where the disk failed
   */
  add(entry: LedgerEntry, words: Uint8Array, operand: string): Promise<void> {
    const added = this.#writing.then(async () => {
      if (entry.sequence <= this.lastSequence(entry.account)) throw new VaultError("ledger_sequence_taken");
      const admitted = this.#admit(entry, operand);
      await this.#write(words, operand);
      this.#remember(entry, words, operand, admitted);
    });
    this.#writing = added.catch(() => undefined);
    return added;
  }

  /** Money is made once, arrives once and comes back once, and never more than a balance can hold. */
  #admit(entry: LedgerEntry, text: string): Admitted {
    try {
      const operand = parseOperand(text);
      const usedUp = usedUpBy(entry, operand);
      if (usedUp !== undefined && this.#usedUp.has(usedUp)) throw new VaultError("ledger_refused");
      return { usedUp, issuedAtomic: issue(this.#issuedAtomic, issuedBy(operand)) };
    } catch (cause) {
      throw cause instanceof BalanceError ? new VaultError("ledger_refused", { cause }) : cause;
    }
  }

  #remember(
    entry: LedgerEntry,
    words: Uint8Array,
    operand: string,
    { usedUp, issuedAtomic }: Admitted,
  ): void {
    if (usedUp !== undefined) this.#usedUp.add(usedUp);
    this.#issuedAtomic = issuedAtomic;
    const digest = sha256(concat(words, utf8(operand)));
    this.#last.set(toHex(entry.account), { sequence: entry.sequence, digest });
  }

  async #write(words: Uint8Array, operand: string): Promise<void> {
    const payload = concat(words, utf8(operand));
    const header = Buffer.alloc(4);
    header.writeUInt32LE(payload.length);
    const record = concat(header, sha256(payload), payload);
    try {
      await this.#file.write(record, 0, record.length, this.#end);
      await this.#file.datasync();
    } catch (cause) {
      // Whether it is on disk is not known: nothing is signed any more until a start reads what is.
      this.#end = Number.NaN;
      throw new VaultError("ledger_journal_invalid", { cause });
    }
    this.#end += record.length;
  }

  async #load(): Promise<void> {
    const { size } = await this.#file.stat();
    const header = Buffer.alloc(HEADER_BYTES);
    while (this.#end + HEADER_BYTES <= size) {
      await this.#file.read(header, 0, HEADER_BYTES, this.#end);
      const length = header.readUInt32LE(0);
      if (length < WORDS_BYTES || length > MAX_RECORD_BYTES || this.#end + HEADER_BYTES + length > size)
        break;
      const payload = Buffer.alloc(length);
      await this.#file.read(payload, 0, length, this.#end + HEADER_BYTES);
      if (!equal(sha256(payload), header.subarray(4))) break;
      this.#replay(payload);
      this.#end += HEADER_BYTES + length;
    }
    await this.#file.truncate(this.#end);
  }

  #replay(payload: Buffer): void {
    const words = new Uint8Array(payload.subarray(0, WORDS_BYTES));
    const operand = fromUtf8(payload.subarray(WORDS_BYTES));
    const entry = decodeStatement("LedgerEntry", words);
    try {
      this.#remember(entry, words, operand, this.#admit(entry, operand));
    } catch (cause) {
      throw new VaultError("ledger_journal_invalid", { cause });
    }
  }
}
