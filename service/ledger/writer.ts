/**
 * Writes entries. An account is held by a lock in the database while its next entry is made, so that two operations on one
 * account come one after the other and two accounts go on side by side, on however many workers.
 *
 * What a crash leaves: before the entry is stored as pending, nothing; after it, the next writer of the account finishes that very
 * entry first. The vault signs it again as it was, and the log, which holds it perhaps already, takes it once.
 */
import type { PoolClient } from "pg";
import type { Logger } from "pino";
import {
  BalanceError,
  issue,
  issuedBy,
  parseOperand,
  prepareEntry,
  prepareOpening,
  requestDigest,
  requestOf,
  usedUpBy,
  type AccountState,
  type Command,
  type Evaluator,
  type LedgerContext,
  type LedgerEntry,
  type Operand,
  type OperandOf,
  type Owner,
  type PreparedEntry,
} from "../../balances/index.ts";
import { equal, fromHex, sha256, toHex, toHex0x, utf8 } from "../../codec/index.ts";
import { decodeStatement, encodeStatement } from "../../receipts/index.ts";
import { readLedgerHead, VaultError, type SignedStatement, type VouchedEntry } from "../../vault/index.ts";
import {
  commitEntry,
  endAllowance,
  findAllowance,
  findAllowanceOfEntry,
  settleAllowance,
  DatabaseError,
  findPending,
  findStatement,
  inTransaction,
  listEntries,
  lockLedgerAccount,
  readBlob,
  readSupply,
  removePending,
  storePending,
  type Appender,
  type Database,
  type DocumentRow,
  type PendingEntry,
} from "../db/index.ts";
import { appendOwn } from "../own-statement.ts";
import type { SessionHolder } from "../session.ts";

export interface WriterParts {
  database: Database;
  appender: Pick<Appender, "append">;
  sessions: SessionHolder;
  context: LedgerContext;
  /** Loads the keys at its first use. */
  evaluator(): Promise<Evaluator>;
  nowMs(): number;
  log: Pick<Logger, "error">;
  /** After an entry is stored for good, in its transaction. */
  onEntry(client: PoolClient, entry: LedgerEntry, operand: Operand, tenantId: string): Promise<void>;
}

export interface Asker {
  tenantId: string;
  operationId: string | null;
}

/** What the vault will not sign, now or later. */
const REFUSALS = new Set([
  "ledger_head_invalid",
  "ledger_sequence_taken",
  "ledger_refused",
  "ledger_values_invalid",
  "statement_invalid",
  "allowance_invalid",
]);

/**
 * Opens an account. One that the owner has is left as it is.
 * @throws BalanceError `account_exists`; VaultError; DatabaseError; ServiceError `session_unavailable`
 */
export async function openAccount(parts: WriterParts, owner: Owner, account: Uint8Array, asker: Asker) {
  return holding(parts, account, async (client, held) => {
    if (held) throw new BalanceError("account_exists", "the owner has an account");
    const zero = await parts.sessions.current().vault.encryptZero();
    const { context } = parts;
    const prepared = prepareOpening(owner, zero, { context, nowMs: BigInt(parts.nowMs()) });
    return store(parts, client, { prepared, asker, head: null, given: [] });
  });
}

/**
 * Carries a command out on an account.
 * @throws BalanceError why it is refused: the account is as it was; VaultError; DatabaseError; ServiceError
 */
export async function writeEntry(parts: WriterParts, account: Uint8Array, command: Command, asker: Asker) {
  return holding(parts, account, async (client, held) => {
    if (!held) throw new BalanceError("account_unknown", "there is no such account");
    const state = stateOf(held.head, account);
    const balance = await requireBlob(parts, state.balanceDigest);
    const { context, evaluator, nowMs } = parts;
    await checkSupply(client, account, command);
    const options = { context, evaluator: await evaluator(), nowMs: BigInt(nowMs()) };
    const prepared = await prepareEntry(state, balance, command, options);
    const given = (["proven", "amount", "taken"] as const).flatMap((name) =>
      name in command ? [Reflect.get(command, name) as Uint8Array] : [],
    );
    const executionText = options.evaluator.execution.executionText;
    return store(parts, client, { prepared, asker, head: held.head, given, executionText });
  });
}

/** Finishes what was left behind on the account first, in a transaction of its own. */
async function holding<T>(
  parts: WriterParts,
  account: Uint8Array,
  work: (client: PoolClient, held: { head: Uint8Array } | undefined) => Promise<T>,
): Promise<T> {
  await finishLeft(parts, account);
  return inTransaction(parts.database, async (client) => {
    const held = await lockLedgerAccount(client, account);
    // Somebody else was here in between, and fell over.
    if (await findPending(client, account))
      throw new BalanceError("busy", "the account has an unfinished entry");
    return work(client, held);
  });
}

/** What the vault will not sign was no honest worker's, or came too late: its own operation is computed anew. */
async function finishLeft(parts: WriterParts, account: Uint8Array): Promise<void> {
  try {
    await inTransaction(parts.database, async (client) => {
      const held = await lockLedgerAccount(client, account);
      const pending = await findPending(client, account);
      if (pending) await finish(parts, client, pending, held?.head ?? null);
    });
  } catch (error) {
    if (!isRefusal(error)) throw error;
    parts.log.error({ code: error.code, account: toHex0x(account) }, "the vault refused an unfinished entry");
  }
}

/**
 * What a head says, where it is this account's: the database could have put another's in its place.
 * @throws VaultError `ledger_head_invalid`
 */
export function stateOf(head: Uint8Array, account: Uint8Array): AccountState {
  const state = readLedgerHead(head);
  if (!equal(state.account, account)) throw new VaultError("ledger_head_invalid");
  return state;
}

interface Stored {
  prepared: PreparedEntry;
  asker: Asker;
  head: Uint8Array | null;
  given: readonly Uint8Array[];
  executionText?: string;
}

async function store(
  parts: WriterParts,
  client: PoolClient,
  { prepared, asker, head, given, executionText }: Stored,
): Promise<LedgerEntry> {
  const { entry, operandText, outcome } = prepared;
  const words = encodeStatement("LedgerEntry", entry);
  const pending = { account: entry.account, words, operand: operandText, ...asker };
  const { balance, sufficient, taken } = outcome;
  const blobs = [balance, sufficient, taken, ...given].filter((bytes) => bytes !== undefined);
  await inTransaction(parts.database, async (apart) => {
    await storePending(apart, pending, blobs);
    if (executionText !== undefined) await storeExecution(apart, executionText);
  });
  await finish(parts, client, pending, head);
  return entry;
}

async function storeExecution(client: PoolClient, text: string): Promise<void> {
  const bytes = utf8(text);
  const row: DocumentRow = { kind: "execution", digest: sha256(bytes), bytes };
  await client.query(
    "INSERT INTO documents (digest, kind, bytes) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    [Buffer.from(row.digest), row.kind, Buffer.from(row.bytes)],
  );
}

/** Signs the pending entry, logs it with its opening, and makes it the account's last. */
async function finish(
  parts: WriterParts,
  client: PoolClient,
  pending: PendingEntry,
  head: Uint8Array | null,
): Promise<void> {
  const entry = decodeStatement("LedgerEntry", pending.words);
  const operand = parseOperand(pending.operand);
  const signed = await signing(parts, pending, async () => ask(parts, pending, entry, operand, head));
  await logOnce(parts, "LedgerEntry", signed);
  if (signed.opening) await logOnce(parts, "Opening", signed.opening);
  await commitEntry(client, {
    account: entry.account,
    sequence: entry.sequence,
    tenantId: pending.tenantId,
    digest: signed.digest,
    opening: signed.opening?.digest ?? null,
    operand: pending.operand,
    mac: signed.mac,
    head: signed.head,
    operationId: pending.operationId,
    sufficient: signed.sufficient,
    usedUp: usedUpBy(entry, operand),
    issuedAtomic: issuedBy(operand),
  });
  const { account, sequence } = entry;
  if (operand.operation === "allowance")
    await settleAllowance(client, allowanceId(operand), { sequence, sealed: signed.allowance });
  if (operand.operation === "refund") await endAllowance(client, account, BigInt(operand.sequence));
  await parts.onEntry(client, entry, operand, pending.tenantId);
}

const allowanceId = (operand: OperandOf<"allowance">) => requestDigest(requestOf(operand).request);

/** What a vault said of the allowance that is debited or refunded. @throws BalanceError `blob_missing` */
async function allowanceOf(
  { database }: WriterParts,
  { account }: LedgerEntry,
  operand: Operand,
): Promise<Uint8Array | null> {
  if (operand.operation !== "allowance" && operand.operation !== "refund") return null;
  const row =
    operand.operation === "allowance"
      ? await findAllowance(database, allowanceId(operand))
      : await findAllowanceOfEntry(database, account, BigInt(operand.sequence));
  if (!row) throw new BalanceError("blob_missing", "an allowance of the ledger is missing");
  return row.sealed;
}

async function ask(
  parts: WriterParts,
  pending: PendingEntry,
  entry: LedgerEntry,
  operand: Operand,
  head: Uint8Array | null,
) {
  const named = async (member: string): Promise<Uint8Array | null> => {
    const digest = Reflect.get(operand, member) as string | undefined;
    return digest === undefined ? null : requireBlob(parts, fromHex(digest));
  };
  const request = {
    head,
    words: pending.words,
    operand: pending.operand,
    previous: head && (await requireBlob(parts, entry.previousDigest)),
    balance: await requireBlob(parts, entry.newDigest),
    proven: await named("proven"),
    amount: (await named("amount")) ?? (await named("taken")),
    sufficient: await named("sufficient"),
    source: await sourceOf(parts, operand),
    allowance: await allowanceOf(parts, entry, operand),
  };
  return parts.sessions.current().signWith((vault) => vault.signLedgerEntry(request));
}

/** What the vault refuses for good must not keep the account from going on. */
async function signing<T>(parts: WriterParts, pending: PendingEntry, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isRefusal(error)) await removePending(parts.database.pool, pending.account);
    throw error;
  }
}

function isRefusal(error: unknown): error is VaultError {
  return error instanceof VaultError && REFUSALS.has(error.code);
}

async function sourceOf(parts: WriterParts, operand: Operand): Promise<VouchedEntry | null> {
  if (operand.operation !== "transferIn") return null;
  const after = BigInt(operand.sequence) - 1n;
  const [row] = await listEntries(parts.database, fromHex(operand.from), { after, limit: 1 });
  const stored = row && (await findStatement(parts.database, row.digest));
  if (!row || !stored) throw new BalanceError("transfer_unknown", "no such transfer to this account");
  return { words: stored.words, operand: row.operand, mac: row.mac };
}

/** Before anything is computed; the vault and unique indexes have the last word. */
async function checkSupply(client: PoolClient, account: Uint8Array, command: Command): Promise<void> {
  const name = usedUpByCommand(account, command);
  const { issuedAtomic, used } = await readSupply(client, name);
  if (used)
    throw new BalanceError(
      command.operation === "transferIn" ? "transfer_received" : "reference_used",
      "it was used before",
    );
  if ("credit" in command) issue(issuedAtomic, command.credit.amountAtomic);
}

function usedUpByCommand(account: Uint8Array, command: Command): string | undefined {
  if ("credit" in command) return `reference:0x${toHex(command.credit.reference)}`;
  if ("order" in command) return `reference:0x${toHex(command.order.reference)}`;
  if (command.operation === "transferIn") return `transfer:0x${toHex(command.from)}:${command.sequence}`;
  return command.operation === "refund" ? `refund:0x${toHex(account)}:${command.sequence}` : undefined;
}

export async function logOnce(
  { appender }: WriterParts,
  type: "LedgerEntry" | "Opening",
  statement: SignedStatement,
): Promise<void> {
  try {
    await appendOwn(appender, type, statement);
  } catch (error) {
    if (!(error instanceof DatabaseError) || error.code !== "statement_exists") throw error;
  }
}

export async function requireBlob({ database }: WriterParts, digest: Uint8Array): Promise<Uint8Array> {
  const bytes = await readBlob(database, digest);
  if (!bytes) throw new BalanceError("blob_missing", "a ciphertext of the ledger is missing");
  return bytes;
}
