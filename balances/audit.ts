/**
 * The re-execution of an account's chain: every entry is held against the rules, computed again from the published
 * ciphertexts, and compared by digest. Needs no secret and no trust in the ledger's writer.
 */
import { equal, sha256, toHex0x, utf8 } from "../codec/index.ts";
import { advance, type AccountState, type LedgerContext, type LedgerEntry } from "./account.ts";
import { BalanceError, type BalanceErrorCode } from "./error.ts";
import { evaluate, stepOf, type Homomorphic, type Outcome } from "./evaluate.ts";
import type { OpenedOfEntry } from "./opening.ts";
import { parseOperand, type Operand } from "./operand.ts";
import type { EntryName } from "./operation.ts";

/** An entry as it is published. Whoever makes it out of a log has checked signature and inclusion: `advance` does not. */
export interface PublishedEntry {
  entry: LedgerEntry;
  /** Of the entry's operand digest. */
  operandText: string;
  /** Of the entry's execution digest; empty where that is zero. */
  executionText: string;
}

export interface LedgerSource {
  /** An account's entries from the first on. */
  entries(account: Uint8Array): AsyncIterable<PublishedEntry>;
  /** A ciphertext by its SHA-256, or undefined; need not be checked. */
  blob(digest: Uint8Array): Promise<Uint8Array | undefined>;
}

/**
 * `agrees`: computed again, to the byte. `given`: nothing to compute (the first zero is the vault's encryption, a freeze
 * changes nothing). `incomparable`: other bytes, on another kind of processor, version or number of threads than the entry
 * names: neither right nor wrong. `checked`: the same, and the vault decrypted it once more and says that it adds up. `disagrees`:
 * other bytes though all that is the same, an operand that cannot be computed, or the vault says that it does not add up.
 */
export type EntryVerdict = "agrees" | "given" | "checked" | "incomparable" | "disagrees";

export interface AuditedEntry {
  sequence: bigint;
  operation: EntryName;
  verdict: EntryVerdict;
  /** Why the operand could not be computed. */
  code?: BalanceErrorCode;
  /** What the entry was computed with, where that is not what this machine computes with. */
  executionText?: string;
  /** SHA-256 of this machine's own result, where it differs. */
  recomputedDigest?: Uint8Array;
  /** Of a debit whose `Opening` is known: whether the balance covered it. */
  sufficient?: boolean;
}

export interface LedgerAudit {
  state: AccountState;
  entries: AuditedEntry[];
  /** The worst of all: `disagrees`, `incomparable`, `checked` or `agrees`. */
  verdict: Exclude<EntryVerdict, "given">;
}

export interface AuditOptions {
  context: LedgerContext;
  evaluator: Homomorphic & { execution: { executionDigest: Uint8Array } };
  /** What verified openings say of an entry. */
  opened?: (entry: LedgerEntry) => OpenedOfEntry;
  /** Called after each entry: one takes seconds. */
  onEntry?: (audited: AuditedEntry, operand: Operand, entry: LedgerEntry) => void;
  signal?: AbortSignal;
}

/**
 * Audits an account from its first entry to its last.
 * @throws BalanceError where the chain is none: what `parseOperand` and `advance` throw, `blob_missing`, `blob_mismatch`,
 * `account_unknown`; `cancelled`
 */
export async function auditAccount(
  source: LedgerSource,
  account: Uint8Array,
  options: AuditOptions,
): Promise<LedgerAudit> {
  let state: AccountState | undefined;
  const entries: AuditedEntry[] = [];
  for await (const published of source.entries(account)) {
    if (options.signal?.aborted) throw new BalanceError("cancelled", "the audit was stopped");
    const operand = parseOperand(published.operandText);
    checkExecution(published);
    const next = advance(state, published.entry, operand, options.context);
    if (!equal(next.account, account))
      throw new BalanceError("account_mismatch", "the source gave another account's entries");
    const audited = await auditEntry(source, published, operand, options);
    entries.push(audited);
    options.onEntry?.(audited, operand, published.entry);
    state = next;
  }
  if (!state) throw new BalanceError("account_unknown", "the source has no entry of this account");
  const worst = (["disagrees", "incomparable", "checked"] as const).find((verdict) =>
    entries.some((entry) => entry.verdict === verdict),
  );
  return { state, entries, verdict: worst ?? "agrees" };
}

/** @throws BalanceError `entry_invalid` */
function checkExecution({ entry, executionText }: PublishedEntry): void {
  const digest = executionText === "" ? new Uint8Array(32) : sha256(utf8(executionText));
  if (!equal(digest, entry.executionDigest))
    throw new BalanceError("entry_invalid", "the execution record is not the one that the entry names");
}

async function auditEntry(
  source: LedgerSource,
  { entry, executionText }: PublishedEntry,
  operand: Operand,
  { evaluator, opened }: AuditOptions,
): Promise<AuditedEntry> {
  const { operation } = operand;
  const { sufficient, consistent } = opened?.(entry) ?? {};
  const base = { sequence: entry.sequence, operation, ...(sufficient !== undefined && { sufficient }) };
  if (consistent === false) return { ...base, verdict: "disagrees" };
  const blob = (digest: Uint8Array) => fetchBlob(source, digest);
  const step = await stepOf(operand, blob);
  if (!step || operation === "freeze" || operation === "unfreeze") return { ...base, verdict: "given" };
  let outcome;
  try {
    outcome = await evaluate(evaluator, await blob(entry.previousDigest), step);
  } catch (error) {
    if (!(error instanceof BalanceError) || !OF_THE_OPERAND.has(error.code)) throw error;
    return { ...base, verdict: "disagrees", code: error.code };
  }
  const recomputedDigest = sha256(outcome.balance);
  if (equal(recomputedDigest, entry.newDigest) && sameSideResults(outcome, operand))
    return { ...base, verdict: "agrees" };
  if (equal(entry.executionDigest, evaluator.execution.executionDigest))
    return { ...base, verdict: "disagrees", recomputedDigest };
  const verdict = consistent ? "checked" : "incomparable";
  return { ...base, verdict, executionText, recomputedDigest };
}

/** What no machine could have computed from this operand. */
const OF_THE_OPERAND: ReadonlySet<BalanceErrorCode> = new Set([
  "proof_invalid",
  "ciphertext_invalid",
  "ciphertext_trivial",
]);

function sameSideResults(outcome: Outcome, operand: Operand): boolean {
  return (["sufficient", "taken"] as const).every((name) => {
    // A transfer that arrives names what another entry took: there it is an input.
    if (operand.operation === "transferIn" || !(name in operand)) return true;
    const computed = outcome[name];
    return computed !== undefined && toHex0x(sha256(computed)) === Reflect.get(operand, name);
  });
}

async function fetchBlob(source: LedgerSource, digest: Uint8Array): Promise<Uint8Array> {
  const bytes = await source.blob(digest);
  if (!bytes) throw new BalanceError("blob_missing", `there is no ciphertext ${toHex0x(digest)}`);
  if (!equal(sha256(bytes), digest))
    throw new BalanceError("blob_mismatch", `the ciphertext ${toHex0x(digest)} has another digest`);
  return bytes;
}
