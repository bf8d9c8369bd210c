/**
 * The ledger's part in the vault: entries are signed over heads that a vault authenticated, after their values were checked;
 * the `sufficient` bit of a debit and an owner's own balance are opened, and nothing else.
 */
import {
  advance,
  DEBITS,
  OPENING_KINDS,
  OPERATIONS,
  parseOperand,
  requestDigest,
  requestOf,
  sealReading,
  sufficientOpening,
  verifyRequest,
  type AccountState,
  type LedgerEntry,
  type Operand,
  type Owner,
} from "../../balances/index.ts";
import { equal, sha256, toHex } from "../../codec/index.ts";
import { decodeStatement, ReceiptError } from "../../receipts/index.ts";
import { VaultError } from "../error.ts";
import { openHead, sealHead } from "../ledger-head.ts";
import type {
  LedgerCheckRequest,
  LedgerEntryRequest,
  ReadingRequest,
  SignedLedgerEntry,
} from "../wire/balances.ts";
import type { SignedWords } from "../wire/operations.ts";
import type { FheKeys } from "./fhe-keys.ts";
import type { LedgerJournal } from "./ledger-journal.ts";
import { checkEntry } from "./ledger-check.ts";
import { checkSource, vouch } from "./ledger-source.ts";
import { STAGES, type Allowance, type AllowanceSeal } from "./allowance-record.ts";
import { asVaultError, checkValues, requireBalances } from "./ledger-values.ts";
import { AccountRates } from "./rate.ts";
import type { Statements } from "./statements.ts";

/** How far an entry's time may lie from the vault's own, unless it was signed before. */
const MAX_SKEW_MS = 10 * 60_000;
/** Readings of one account, and checks: in a burst, and a second. */
const OPENING_BURST = 8;
const OPENINGS_PER_SECOND = 0.2;
/** Entries of one account that may fail after something was decrypted: a refusal tells a bit of what its sender chose. */
const REFUSAL_BURST = 8;
const REFUSALS_PER_SECOND = 1 / 3600;
/** Readings that are remembered. */
const MAX_REMEMBERED = 100_000;

interface Parts {
  statements: Statements;
  keys: Pick<FheKeys, "digests" | "secretKey" | "evaluator">;
  journal: LedgerJournal;
  operator: Owner;
  /** 32 bytes, the same in every vault of the cluster. */
  macKey: Uint8Array;
  seal: AllowanceSeal;
  /** @throws VaultError `limit_reached` where the owner lets no voucher credit so much */
  checkCredit: (amountAtomic: bigint) => void;
  nowMs: () => number;
}

export class Ledger {
  readonly #parts: Parts;
  readonly #readings: AccountRates;
  readonly #checks: AccountRates;
  readonly #refusals: AccountRates;
  /** Digests of reading requests that were answered, with when they end. */
  readonly #answered = new Map<string, bigint>();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#readings = new AccountRates(OPENING_BURST, OPENINGS_PER_SECOND, parts.nowMs);
    this.#checks = new AccountRates(OPENING_BURST, OPENINGS_PER_SECOND, parts.nowMs);
    this.#refusals = new AccountRates(REFUSAL_BURST, REFUSALS_PER_SECOND, parts.nowMs);
  }

  /**
   * An encryption of what an allowance takes, or gives back.
   * @throws VaultError `allowance_invalid`
   */
  async encryptAllowance(sealed: Uint8Array): Promise<{ amount: Uint8Array }> {
    const { amount } = this.#parts.seal.open(sealed, "admitted", "closed");
    return { amount: await (await this.#parts.keys.secretKey()).encrypt(amount) };
  }

  async encryptZero(): Promise<{ zero: Uint8Array }> {
    return { zero: await (await this.#parts.keys.secretKey()).encrypt(0n) };
  }

  /**
   * Signs the account's next entry. Asked again with the same words and operand, it signs the same again: a crash between the
   * signature and the commit loses nothing and makes nothing twice.
   * @throws VaultError `ledger_head_invalid`, `ledger_sequence_taken`, `ledger_refused`, `ledger_values_invalid`,
   *   `opening_rate_limited` (too much was refused of this account), `ledger_journal_invalid`, `statement_invalid`,
   *   `allowance_invalid`, `keyset_missing`, `keyset_expired`
   */
  async signEntry(given: LedgerEntryRequest): Promise<SignedLedgerEntry> {
    try {
      return await this.#signEntry(given);
    } catch (error) {
      throw asVaultError(error);
    }
  }

  async #signEntry(given: LedgerEntryRequest): Promise<SignedLedgerEntry> {
    const { journal, operator, macKey, keys, seal, checkCredit, nowMs } = this.#parts;
    const entry = readEntry(given.words);
    const operand = parseOperand(given.operand);
    const repeated = journal.holds(entry, given.words, given.operand);
    if (!repeated && operand.operation === "credit") checkCredit(BigInt(operand.amountAtomic));
    const skewMs = BigInt(nowMs()) - entry.issuedAtMs;
    if (!repeated && (skewMs > MAX_SKEW_MS || -skewMs > MAX_SKEW_MS))
      throw new VaultError("statement_invalid");
    const state = given.head ? openHead(macKey, given.head) : undefined;
    if (!repeated && entry.sequence <= journal.lastSequence(entry.account))
      throw new VaultError("ledger_sequence_taken");
    const admitted = advance(state, entry, operand, { operator, serverKeyDigest: keys.digests[0]! });
    requireBalances(entry, given);
    checkSource(macKey, entry, operand, given.source);
    const reader = { key: await keys.secretKey(), evaluator: () => keys.evaluator() };
    const allowance = allowanceOf(seal, entry, operand, given);
    if (!this.#refusals.take(entry.account)) throw new VaultError("opening_rate_limited");
    const sufficient = await checkValues(reader, operand, { ...given, allowance });
    if (!repeated) await journal.add(entry, given.words, given.operand);
    this.#refusals.giveBack(entry.account);
    const signed = this.#parts.statements.signNow("LedgerEntry", () => entry);
    const opening = sufficient === undefined ? null : this.#openBit(entry, operand, sufficient);
    const mac = vouch(macKey, given.words, given.operand);
    const debited = operand.operation === "allowance" && sufficient ? allowance : undefined;
    // What took nothing has nothing to give back.
    const allowances = admitted.allowances.filter((at) => at !== entry.sequence || debited);
    const head = sealHead(macKey, { ...admitted, allowances });
    const { sequence } = entry;
    const granted = debited ? seal.seal({ ...debited, stage: STAGES.debited, sequence }) : null;
    return { entry: signed, head, mac, opening, sufficient: sufficient ?? null, allowance: granted };
  }

  #openBit(entry: LedgerEntry, operand: Operand, sufficient: boolean): SignedWords {
    if (!("request" in operand) || !DEBITS.has(operand.operation)) throw new VaultError("ledger_refused");
    const asked = requestDigest(requestOf(operand).request);
    return this.#parts.statements.signNow("Opening", () => sufficientOpening(entry, asked, sufficient));
  }

  /**
   * Says once more whether an entry that a vault of this cluster vouches for adds up, by decrypting the ciphertexts that it names:
   * its one `Opening` of kind 3, the same whenever it is asked for.
   * @throws VaultError `ledger_head_invalid` (nobody vouches for it), `ledger_refused`, `ledger_values_invalid` (other ciphertexts
   *   than it names), `opening_rate_limited`, `keyset_missing`, `keyset_expired`
   */
  async check(given: LedgerCheckRequest): Promise<SignedWords> {
    const { macKey, keys, statements } = this.#parts;
    const reader = { key: await keys.secretKey(), evaluator: () => keys.evaluator() };
    const context = { macKey, serverKeyDigest: keys.digests[0]!, reader, rates: this.#checks };
    try {
      const opening = await checkEntry(context, given);
      return statements.signNow("Opening", () => opening);
    } catch (error) {
      throw asVaultError(error);
    }
  }

  /**
   * Opens a balance for its owner alone: sealed to the key that the owner's request names, once a request.
   * @throws VaultError `ledger_head_invalid`, `ledger_sequence_taken` (the account has moved on), `ledger_refused`,
   *   `ledger_values_invalid`, `opening_repeated`, `opening_rate_limited`, `keyset_missing`, `keyset_expired`
   */
  async read(given: ReadingRequest): Promise<{ reading: Uint8Array; opening: SignedWords }> {
    try {
      return await this.#read(given);
    } catch (error) {
      throw asVaultError(error);
    }
  }

  async #read({ head, balance, request, signature, publicKey }: ReadingRequest) {
    const { journal, macKey, keys, nowMs, statements } = this.#parts;
    const state = openHead(macKey, head);
    if (state.sequence < journal.lastSequence(state.account)) throw new VaultError("ledger_sequence_taken");
    this.#requireFresh(state, { request, signature }, BigInt(nowMs()));
    if (!equal(sha256(publicKey), request.operandDigest)) throw new VaultError("ledger_refused");
    if (!equal(sha256(balance), state.balanceDigest)) throw new VaultError("ledger_values_invalid");
    const digest = requestDigest(request);
    this.#countReading(state.account, digest, request.expiresAtMs);
    const amountAtomic = await (await keys.secretKey()).decryptAmount(balance);
    const { account, sequence } = state;
    const reading = await sealReading({ amountAtomic, sequence }, publicKey, digest);
    const opening = statements.signNow("Opening", (issuedAtMs) => ({
      account,
      sequence,
      kind: OPENING_KINDS.reading,
      subject: state.balanceDigest,
      requestDigest: digest,
      result: 0,
      issuedAtMs,
    }));
    return { reading, opening };
  }

  #requireFresh(
    { account, owner }: AccountState,
    { request, signature }: Pick<ReadingRequest, "request" | "signature">,
    nowMs: bigint,
  ): void {
    const serverKeyDigest = this.#parts.keys.digests[0]!;
    verifyRequest(request, signature, { account, owner, serverKeyDigest, nowMs });
    const isReading = request.operation === OPERATIONS.reading && request.requestSequence === 0n;
    if (!isReading) throw new VaultError("ledger_refused");
  }

  /** @throws VaultError `opening_rate_limited`, `opening_repeated` */
  #countReading(account: Uint8Array, digest: Uint8Array, expiresAtMs: bigint): void {
    const nowMs = BigInt(this.#parts.nowMs());
    for (const [name, endsAtMs] of this.#answered) if (endsAtMs <= nowMs) this.#answered.delete(name);
    if (this.#answered.has(toHex(digest))) throw new VaultError("opening_repeated");
    if (this.#answered.size >= MAX_REMEMBERED || !this.#readings.take(account))
      throw new VaultError("opening_rate_limited");
    this.#answered.set(toHex(digest), expiresAtMs);
  }
}

/**
 * What a vault said of the allowance that the entry is about, where it is about one.
 * @throws VaultError `allowance_invalid`, `ledger_refused`
 */
function allowanceOf(
  seal: AllowanceSeal,
  { account }: LedgerEntry,
  operand: Operand,
  { allowance: sealed }: LedgerEntryRequest,
): Allowance | undefined {
  const { operation } = operand;
  const named = operation === "allowance" || operation === "refund";
  if (named !== (sealed !== null)) throw new VaultError("ledger_refused");
  if (!named || !sealed) return undefined;
  const allowance = seal.open(sealed, operation === "allowance" ? "admitted" : "closed");
  const fits =
    operation === "allowance"
      ? equal(allowance.id, requestDigest(requestOf(operand).request))
      : allowance.sequence === BigInt(operand.sequence);
  if (!fits || !equal(allowance.account, account)) throw new VaultError("ledger_refused");
  return allowance;
}

function readEntry(words: Uint8Array): LedgerEntry {
  try {
    return decodeStatement("LedgerEntry", words);
  } catch (error) {
    throw error instanceof ReceiptError ? new VaultError("statement_invalid") : error;
  }
}
