/** Receipts as `GET /v1/receipts/{id}` hands them out: the statement with all that an offline verifier needs. */
import { fromHex, fromUtf8, toHex } from "../codec/index.ts";
import {
  decodeStatement,
  encodeReceiptHeader,
  serializeBundle,
  type ReceiptBundle,
} from "../receipts/index.ts";
import { findStatement, readDocuments, type Database, type StoredStatement } from "./db/index.ts";
import type { KeysetRecords } from "./keyset-records.ts";
import { readingStored } from "./stored.ts";

/**
 * The bundle's JSON text; undefined where there is no such receipt or a document of it is missing.
 * @param receiptId hex of the statement digest
 * @throws DatabaseError also `log_corrupt`, where what is stored is no receipt
 */
export async function receiptBundle(
  database: Database,
  keysets: KeysetRecords,
  receiptId: string,
): Promise<string | undefined> {
  const stored = await findStatement(database, fromHex(receiptId, 32));
  if (!stored || (stored.type !== "InferenceStatement" && stored.type !== "Aborted")) return undefined;
  const { type } = stored;
  return await readingStored(async () => {
    const bundle = await assemble(database, keysets, stored, type);
    return bundle && serializeBundle(bundle);
  });
}

async function assemble(
  database: Database,
  keysets: KeysetRecords,
  stored: StoredStatement,
  type: ReceiptBundle["type"],
): Promise<ReceiptBundle | undefined> {
  const statement = decodeStatement(type, stored.words);
  const digests = [statement.modelId, statement.policyDigest, statement.executionDigest];
  const documents = await readDocuments(database, digests);
  const [manifest, policy, execution] = digests.map((digest) => documents.get(toHex(digest)));
  if (!manifest || !policy || !execution) return undefined;
  const { words, signature } = stored;
  return {
    type,
    statement,
    signature,
    receipt: encodeReceiptHeader({ type, words, signature }),
    ...(await keysets.get(stored.keysetDigest)),
    manifest: fromUtf8(manifest),
    policy: fromUtf8(policy),
    execution: fromUtf8(execution),
    inclusion: (await keysets.logProof(stored.leafIndex)) ?? null,
  } as ReceiptBundle;
}
