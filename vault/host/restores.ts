/**
 * What is left of allowances whose vault spends no more: it died, or did not learn whether a statement of its own was stored. The
 * log says, leaf by leaf from the first to a checkpoint that is not older than the newest one known here (log witnesses count):
 * each statement that the vault signed is there with its record, and the lowest counter of an allowance is its rest. Where one
 * record is missing nothing is said.
 */
import { equal, toHex } from "../../codec/index.ts";
import { CompactRange, leafHash, parseLeafData, ReceiptError, recoverSigner } from "../../receipts/index.ts";
import { VaultError } from "../error.ts";
import type { RestoreRequest, WalkedLeaf } from "../wire/allowances.ts";
import { STAGES, type Allowance, type AllowanceSeal } from "./allowance-record.ts";
import type { Allowances } from "./allowances.ts";

/** Restores at a time; one more drops the oldest. */
const MAX_RESTORES = 8;

interface Parts {
  seal: AllowanceSeal;
  allowances: Pick<Allowances, "end">;
  /** Size and root of a note of this log key. @throws VaultError `checkpoint_foreign` */
  readNote(note: string): { size: bigint; root: Uint8Array };
  /** The newest checkpoint that this vault knows of. */
  last(): { size: bigint } | null;
}

interface Restore {
  allowances: readonly Allowance[];
  /** What is left of each, by its id in hex. */
  left: Map<string, bigint>;
  size: bigint;
  root: Uint8Array;
  walked: CompactRange;
  /** Keysets of the vault that is restored, by digest in hex: those of its allowances, and what it had attested in the log. */
  keysets: Set<string>;
}

export class Restores {
  readonly #parts: Parts;
  readonly #restores = new Map<bigint, Restore>();
  #numbered = 0n;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * Begins, walks on, ends: as far as the request says.
   * @returns the restore's number and, at its end, the closed allowances in the order given
   * @throws VaultError `allowance_invalid`, `checkpoint_foreign`, `checkpoint_rollback` (older than what is known here),
   *   `checkpoint_fork` (the leaves are not the checkpoint's), `restore_unknown`, `restore_incomplete`, `allowance_limit`
   */
  restore(request: RestoreRequest): { number: bigint; closed: Uint8Array[] } {
    const number = request.begin ? this.#begin(request.begin) : request.number;
    const restore = this.#restores.get(number);
    if (!restore) throw new VaultError("restore_unknown");
    try {
      for (const leaf of request.leaves) this.#walk(restore, leaf);
      if (!request.finish) return { number, closed: [] };
      this.#restores.delete(number);
      return { number, closed: this.#finish(restore) };
    } catch (error) {
      this.#restores.delete(number);
      throw error;
    }
  }

  #begin({ allowances: sealed, note }: NonNullable<RestoreRequest["begin"]>): bigint {
    const { seal, allowances: own, readNote, last } = this.#parts;
    const allowances = sealed.map((one) => seal.open(one, "debited"));
    const [first] = allowances;
    if (!first || allowances.some(({ vault }) => !equal(vault, first.vault)))
      throw new VaultError("allowance_invalid");
    const { size, root } = readNote(note);
    if (size < (last()?.size ?? 0n)) throw new VaultError("checkpoint_rollback");
    for (const allowance of allowances) own.end(allowance);
    const left = new Map(allowances.map(({ id, amount }) => [toHex(id), amount]));
    if (this.#restores.size >= MAX_RESTORES) this.#restores.delete(this.#restores.keys().next().value!);
    const number = ++this.#numbered;
    const walked = CompactRange.empty();
    const keysets = new Set(allowances.map(({ keyset }) => toHex(keyset)));
    this.#restores.set(number, { allowances, left, size, root, walked, keysets });
    return number;
  }

  #walk({ walked, size, keysets, left, allowances }: Restore, { leaf, record }: WalkedLeaf): void {
    if (walked.size >= size) throw new VaultError("checkpoint_fork");
    walked.append(leafHash(leaf));
    const parsed = parse(leaf);
    if (!parsed) return;
    const { type, digest, keysetDigest, signature } = parsed;
    if (type === "Keyset" && isSignedBy(allowances[0]!.vault, digest, signature))
      keysets.add(toHex(keysetDigest));
    const isCounted = type === "InferenceStatement" || type === "Aborted";
    if (!isCounted || !keysets.has(toHex(keysetDigest))) return;
    const { id, counter } = this.#openRecord(digest, record);
    const before = left.get(toHex(id));
    if (before !== undefined && counter < before) left.set(toHex(id), counter);
  }

  #openRecord(digest: Uint8Array, record: Uint8Array | null) {
    try {
      if (record) return this.#parts.seal.openSpent(digest, record);
    } catch (cause) {
      if (!(cause instanceof VaultError)) throw cause;
    }
    throw new VaultError("restore_incomplete");
  }

  #finish({ walked, size, root, allowances, left }: Restore): Uint8Array[] {
    if (walked.size !== size || !equal(walked.root(), root)) throw new VaultError("checkpoint_fork");
    return allowances.map((allowance) =>
      this.#parts.seal.seal({ ...allowance, stage: STAGES.closed, amount: left.get(toHex(allowance.id))! }),
    );
  }
}

function parse(leaf: Uint8Array) {
  try {
    return parseLeafData(leaf);
  } catch (error) {
    if (error instanceof ReceiptError) return undefined;
    throw error;
  }
}

function isSignedBy(address: Uint8Array, digest: Uint8Array, signature: Uint8Array): boolean {
  try {
    return equal(recoverSigner(digest, signature), address);
  } catch (error) {
    if (error instanceof ReceiptError) return false;
    throw error;
  }
}
