/** An answer in the form that the coordinator takes, once all that it promised is delivered. */
import type { Hex } from "viem";
import {
  contractReceipt,
  encodeZkProof,
  type ContractReceipt,
  type Delivery,
} from "../../client/chain/index.ts";
import { decodeStatement, PROMISED_PROOF } from "../../receipts/index.ts";
import { openKeptProof } from "../assurance/index.ts";
import {
  DatabaseError,
  findStatement,
  promisesAbout,
  type Database,
  type PromiseRow,
  type StoredStatement,
} from "../db/index.ts";
import { openOutput } from "./answer.ts";
import { Declined, NotYet } from "./declined.ts";
import type { KeptRequest } from "./coordinator.ts";
import { pinnedValue } from "./pins.ts";
import type { WatcherParts } from "./step.ts";

const NO_PROOF: Hex = "0x";

type Parts = Pick<WatcherParts, "database" | "sessions" | "coordinator" | "receiptVerifier">;

/** @throws Declined where a promise was not kept, `code_not_pinned`; NotYet `promise_pending`; ChainError */
export async function deliveryOf(
  parts: Parts,
  request: KeptRequest,
  answer: StoredStatement,
): Promise<{ receipt: ContractReceipt; zkProof: Hex }> {
  const statement = decodeStatement("InferenceStatement", answer.words);
  const signed = { statement, signature: answer.signature };
  const output = await openOutput(parts.sessions, statement.requestId, answer);
  const referenceValueId = await pinnedValue(parts, request, answer.keysetDigest);
  const pinned = referenceValueId ? { referenceValueId } : {};
  if (statement.promised === 0)
    return { receipt: contractReceipt(signed, output, pinned), zkProof: NO_PROOF };

  const row = await keptPromise(parts.database, answer.digest);
  const outcome = row.outcome && (await findStatement(parts.database, row.outcome));
  if (!outcome) throw new DatabaseError("log_corrupt", "a kept promise lacks its statement");
  if (statement.promised !== PROMISED_PROOF) {
    const reexecution = delivered("Reexecution", outcome);
    return { receipt: contractReceipt(signed, output, { ...pinned, reexecution }), zkProof: NO_PROOF };
  }
  const zkProof = encodeZkProof(row.circuitId!, await openKeptProof(parts.sessions, row));
  const proof = delivered("Proof", outcome);
  return { receipt: contractReceipt(signed, output, { ...pinned, proof }), zkProof };
}

async function keptPromise(database: Database, subject: Uint8Array): Promise<PromiseRow> {
  const rows = await promisesAbout(database, subject);
  const kept = rows.find(({ state }) => state === "delivered");
  if (kept) return kept;
  if (rows.some(({ state }) => state === "waiting" || state === "running"))
    throw new NotYet("promise_pending");
  throw new Declined(`promise_${rows.at(-1)?.state ?? "missing"}`);
}

function delivered<T extends "Proof" | "Reexecution">(type: T, outcome: StoredStatement): Delivery<T> {
  const { words, keysetDigest, signature } = outcome;
  return { statement: decodeStatement(type, words), keysetDigest, signature };
}
