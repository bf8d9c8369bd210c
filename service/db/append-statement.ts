/** A batch of appends as one statement, which is one transaction, one round trip and one flush to disk. */
import { LEAF_TYPES, leafData, leafHash, type LoggedType } from "../../receipts/index.ts";
import { toHex } from "../../codec/index.ts";
import { byteaArray, int2Array, int8Array, textArray, uuidArray } from "./binary-array.ts";
import type { Edge } from "./edge.ts";

export type DocumentKind =
  | "manifest"
  | "policy"
  | "execution"
  | "keyset"
  | "evidence"
  | "endorsements"
  | "attestation-result"
  | "circuit-binding"
  | "price-list";

/** A statement as the vault signed it, with whose it is. Digests and ids are 32 bytes, the signature 65. */
export interface StatementRow {
  type: LoggedType;
  words: Uint8Array;
  digest: Uint8Array;
  signature: Uint8Array;
  keysetDigest: Uint8Array;
  requestId: Uint8Array | null;
  tenantId: string;
  accountId: string | null;
  apiKeyId: string | null;
  modelId: Uint8Array | null;
  sealedExtra: Uint8Array | null;
  /** What the vault says that it spent, where it says so. */
  spent?: Uint8Array | null;
}

export interface DocumentRow {
  kind: DocumentKind;
  digest: Uint8Array;
  bytes: Uint8Array;
}

/** Turns a reservation into an answer that can be replayed, in the same transaction as the statement. */
export interface Completion {
  tenantId: string;
  accountId: string;
  keyHash: Uint8Array;
  lease: Uint8Array;
  ciphertext: Uint8Array;
}

export interface AppendItem {
  statement: StatementRow;
  documents?: readonly DocumentRow[];
  idempotency?: Completion;
  /** The allowance that it spends, 32 bytes: stored only while that is open. */
  allowance?: Uint8Array;
}

/**
 * Every part joins `head`, which yields a row only where the head was what we expected: it is locked first, and where it had
 * moved nothing is written and `appended` is 0. A lease that is no longer held, or an allowance that is no longer open, divides by
 * zero, which undoes the statement.
 */
export const APPEND_SQL = `
WITH head AS (
  UPDATE log_head SET size = $4, root = $5, range = $6 WHERE id = 1 AND size = $1 AND root = $2 AND epoch = $3 RETURNING 1
), added AS (
  INSERT INTO statements (leaf_index, type, digest, words, signature, keyset_digest, request_id, tenant_id, account_id, api_key_id, model_id, sealed_extra, spent)
  SELECT $1 + n - 1, a, b, c, d, e, f, g, h, i, j, k, l FROM head, unnest($7::int2[], $8::bytea[], $9::bytea[], $10::bytea[], $11::bytea[],
    $12::bytea[], $13::uuid[], $14::uuid[], $15::uuid[], $16::bytea[], $17::bytea[], $32::bytea[]) WITH ORDINALITY AS t(a, b, c, d, e, f, g, h, i, j, k, l, n)
), entries AS (
  INSERT INTO log_entries (leaf_index, leaf_data) SELECT $1 + n - 1, a FROM head, unnest($18::bytea[]) WITH ORDINALITY AS t(a, n)
), tiles AS (
  INSERT INTO log_tiles (level, index, hashes) SELECT a, b, c FROM head, unnest($19::int2[], $20::int8[], $21::bytea[]) AS t(a, b, c)
  ON CONFLICT (level, index) DO UPDATE SET hashes = EXCLUDED.hashes
), papers AS (
  INSERT INTO documents (digest, kind, bytes) SELECT a, b, c FROM head, unnest($22::bytea[], $23::text[], $24::bytea[]) AS t(a, b, c)
  ON CONFLICT DO NOTHING
), done AS (
  UPDATE idempotency AS i SET state = 'done', ciphertext = t.e, receipt_digest = t.f
  FROM head, unnest($25::uuid[], $26::uuid[], $27::bytea[], $28::bytea[], $29::bytea[], $30::bytea[]) AS t(a, b, c, d, e, f)
  WHERE i.tenant_id = t.a AND i.account_id = t.b AND i.key_hash = t.c AND i.lease = t.d AND i.state = 'reserved' RETURNING 1
), paying AS (
  SELECT 1 FROM head, ledger_allowances AS w WHERE w.id = ANY($33::bytea[]) AND w.state = 'open' FOR SHARE OF w
)
SELECT CASE WHEN (SELECT count(*) FROM head) = 0 THEN 0
  ELSE 1 / ((SELECT count(*) FROM done) = $31 AND (SELECT count(*) FROM paying) = $34)::int END AS appended`;

export interface Head {
  edge: Edge;
  root: Uint8Array;
  epoch: bigint;
}

function statementParameters(rows: readonly StatementRow[]): Buffer[] {
  return [
    int2Array(rows.map((row) => LEAF_TYPES[row.type])),
    byteaArray(rows.map((row) => row.digest)),
    byteaArray(rows.map((row) => row.words)),
    byteaArray(rows.map((row) => row.signature)),
    byteaArray(rows.map((row) => row.keysetDigest)),
    byteaArray(rows.map((row) => row.requestId)),
    uuidArray(rows.map((row) => row.tenantId)),
    uuidArray(rows.map((row) => row.accountId)),
    uuidArray(rows.map((row) => row.apiKeyId)),
    byteaArray(rows.map((row) => row.modelId)),
    byteaArray(rows.map((row) => row.sealedExtra)),
  ];
}

function completionParameters(items: readonly AppendItem[]): Buffer[] {
  const completions = items.flatMap(({ idempotency, statement }) =>
    idempotency ? [{ ...idempotency, receipt: statement.digest }] : [],
  );
  return [
    uuidArray(completions.map((row) => row.tenantId)),
    uuidArray(completions.map((row) => row.accountId)),
    byteaArray(completions.map((row) => row.keyHash)),
    byteaArray(completions.map((row) => row.lease)),
    byteaArray(completions.map((row) => row.ciphertext)),
    byteaArray(completions.map((row) => row.receipt)),
  ];
}

function distinct(ids: readonly Uint8Array[]): Uint8Array[] {
  return [...new Map(ids.map((id) => [toHex(id), id])).values()];
}

/** Parameters of the batch on top of `head`, and the head that it leaves. */
export function prepareAppend(head: Head, items: readonly AppendItem[], documents: readonly DocumentRow[]) {
  const leaves = items.map(({ statement: row }) =>
    leafData(row.type, row.digest, row.keysetDigest, row.signature),
  );
  const { edge, tiles } = head.edge.append(leaves.map(leafHash));
  const paying = distinct(items.flatMap(({ allowance }) => allowance ?? []));
  const next: Head = { edge, root: edge.range.root(), epoch: head.epoch };
  const parameters: unknown[] = [
    head.edge.size.toString(),
    Buffer.from(head.root),
    head.epoch.toString(),
    edge.size.toString(),
    Buffer.from(next.root),
    Buffer.from(edge.range.encode()),
    ...statementParameters(items.map(({ statement }) => statement)),
    byteaArray(leaves),
    int2Array(tiles.map(({ level }) => level)),
    int8Array(tiles.map(({ index }) => index)),
    byteaArray(tiles.map(({ hashes }) => hashes)),
    byteaArray(documents.map(({ digest }) => digest)),
    textArray(documents.map(({ kind }) => kind)),
    byteaArray(documents.map(({ bytes }) => bytes)),
    ...completionParameters(items),
    items.filter(({ idempotency }) => idempotency !== undefined).length,
    byteaArray(items.map(({ statement }) => statement.spent ?? null)),
    byteaArray(paying),
    paying.length,
  ];
  return { next, parameters };
}
