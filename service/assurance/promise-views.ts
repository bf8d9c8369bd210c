/** Proofs and re-executions as their account sees them. */
import { equal, toHex } from "../../codec/index.ts";
import { decodeStatement, encodeReceiptHeader, NOT_COMPARED } from "../../receipts/index.ts";
import {
  endPromise,
  findPromise,
  findStatement,
  type Database,
  type PromiseRow,
  type PromiseState,
  type StoredStatement,
} from "../db/index.ts";
import type { JobQueue } from "../jobs/index.ts";
import { ServiceError } from "../problem.ts";
import type { Account } from "../services.ts";
import { readingStored } from "../stored.ts";

export type PromiseKind = PromiseRow["kind"];

/** What the log says of how it ended. */
export interface LoggedOutcome {
  /** Hex of the statement's digest. */
  statementId: string;
  /** Statement and signature in header form. */
  statement: string;
  keysetDigest: Uint8Array;
  leafIndex: bigint;
  /** In units of 10^-9; null where nothing was compared. */
  difference: bigint | null;
  /** Whether its keyset is another than the one that signed the answer. Not whether it is another machine. */
  anotherKeyset: boolean;
}

export interface PromiseView {
  id: string;
  kind: PromiseKind;
  receiptId: string;
  state: PromiseState;
  /** How far the one that runs is. */
  stage: string | null;
  /** Why it failed. */
  code: string | null;
  circuitId: Uint8Array | null;
  createdAt: Date;
  deadlineAt: Date;
  endedAt: Date | null;
  outcome: LoggedOutcome | null;
}

/**
 * What another account asked for is as if it were not there.
 * @throws ServiceError `promise_not_found`
 */
export async function requirePromise(
  database: Database,
  { tenantId, accountId }: Account,
  kind: PromiseKind,
  id: string,
): Promise<PromiseRow> {
  const row = await findPromise(database, id);
  const theirs = row?.tenantId === tenantId && row.accountId === accountId && row.kind === kind;
  if (!row || !theirs) throw new ServiceError("promise_not_found");
  return row;
}

export async function viewPromise(database: Database, row: PromiseRow): Promise<PromiseView> {
  const { id, kind, state, stage, code, circuitId, createdAt, deadlineAt, endedAt } = row;
  const stored = row.outcome ? await findStatement(database, row.outcome) : undefined;
  const subject = stored && (await findStatement(database, row.subject));
  const outcome = stored && subject ? await readingStored(async () => outcomeOf(stored, subject)) : null;
  const receiptId = toHex(row.subject);
  return { id, kind, receiptId, state, stage, code, circuitId, createdAt, deadlineAt, endedAt, outcome };
}

function outcomeOf(
  { type, words, signature, digest, keysetDigest, leafIndex }: StoredStatement,
  subject: StoredStatement,
): LoggedOutcome {
  const { difference } = decodeStatement(type === "Proof" ? "Proof" : "Reexecution", words);
  return {
    statementId: toHex(digest),
    statement: encodeReceiptHeader({ type, words, signature }),
    keysetDigest,
    leafIndex,
    difference: difference === NOT_COMPARED ? null : difference,
    anotherKeyset: !equal(keysetDigest, subject.keysetDigest),
  };
}

/** @throws ServiceError `promise_ended` */
export async function cancelPromise(
  database: Database,
  jobs: JobQueue | undefined,
  row: PromiseRow,
): Promise<void> {
  if (!(await endPromise(database, row.id, { state: "cancelled" }))) throw new ServiceError("promise_ended");
  // It may have ended by itself meanwhile.
  await jobs?.administration.cancel(row.id).catch(() => undefined);
}
