/** A delivered proof with its receipt and everything that its verification reads. */
import { equal, fromHex, fromUtf8, toHex } from "../../codec/index.ts";
import { serializeProofBundle, type CircuitStore, type StoredCircuit } from "../../proofs/index.ts";
import { encodeReceiptHeader, parseBundle, type ReceiptBundle } from "../../receipts/index.ts";
import { DatabaseError, findStatement, readDocument, type Database, type PromiseRow } from "../db/index.ts";
import type { KeysetRecords } from "../keyset-records.ts";
import { ServiceError } from "../problem.ts";
import { receiptBundle } from "../receipt-bundles.ts";
import { openRecord } from "../sealed-record.ts";
import type { SessionHolder } from "../session.ts";
import { proofContext } from "./prove.ts";
import { decodeProof, type KeptProof } from "./stored-proof.ts";

export interface ProofBundleParts {
  database: Database;
  sessions: SessionHolder;
  keysets: KeysetRecords;
  circuits: Pick<CircuitStore, "get">;
}

/** @throws ServiceError `proof_not_delivered`; DatabaseError `log_corrupt` */
export async function proofBundle(parts: ProofBundleParts, row: PromiseRow): Promise<string> {
  const { database, sessions, keysets } = parts;
  if (!row.outcome) throw new ServiceError("proof_not_delivered");
  const kept = await openKeptProof(sessions, row);
  const text = await receiptBundle(database, keysets, toHex(row.subject));
  const stored = parts.circuits.get(row.circuitId!);
  const proof = await findStatement(database, row.outcome);
  if (!text || !proof) throw new DatabaseError("log_corrupt", "a part of the proof is missing");
  if (!stored) throw new ServiceError("circuit_missing", "the proof's circuit is not here any more");
  const receipt = parseBundle(text);
  const commitment = row.commitment ? await findStatement(database, row.commitment) : undefined;
  // One keyset may stand beside the receipt's: the commitment's, without which the proof is about no input.
  const keysetDigest = commitment?.keysetDigest ?? proof.keysetDigest;
  const showsProof = equal(proof.keysetDigest, keysetDigest);
  const isReceipts = equal(keysetDigest, receipt.statement.keysetDigest);
  return serializeProofBundle({
    receipt,
    binding: await bindingOf(database, receipt, stored),
    settings: stored.settings,
    verifyingKey: stored.verifyingKey,
    srs: stored.srs,
    ...kept,
    circuitCommitment: commitment ? encodeReceiptHeader(commitment) : null,
    proofStatement: showsProof ? encodeReceiptHeader(proof) : null,
    keyset: isReceipts ? null : await keysets.get(keysetDigest),
  });
}

/** @throws ServiceError `proof_not_delivered`; DatabaseError `log_corrupt` */
export async function openKeptProof(sessions: SessionHolder, row: PromiseRow): Promise<KeptProof> {
  if (row.state !== "delivered" || !row.sealedProof) throw new ServiceError("proof_not_delivered");
  const context = proofContext(row.id);
  const kept = openRecord(await sessions.current().vault.recordKey(context), context, row.sealedProof);
  if (!kept) throw new DatabaseError("log_corrupt", "a part of the proof is missing");
  return decodeProof(kept);
}

/** The binding that the receipt's policy names, where it names one; the owner may have signed another one since. */
async function bindingOf(
  database: Database,
  { policy }: ReceiptBundle,
  { binding }: StoredCircuit,
): Promise<string> {
  const { circuitBinding } = JSON.parse(policy) as { circuitBinding?: unknown };
  if (typeof circuitBinding === "string" && /^0x[0-9a-f]{64}$/.test(circuitBinding)) {
    const document = await readDocument(database, fromHex(circuitBinding, 32));
    if (document) return fromUtf8(document);
  }
  return binding!.text;
}
