/** A running service's embedded database, opened beside it, and the audit of what it stored. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Pool } from "pg";
import { toHex } from "../codec/index.ts";
import {
  decodeStatement,
  EMPTY_ROOT,
  LEAF_TYPES,
  leafData,
  leafHash,
  nodeHash,
  parseCheckpoint,
  parseKeyset,
  verifyCheckpoint,
  type LoggedType,
} from "../receipts/index.ts";

/** Connections to the database of the service in this folder; the service's own role. */
export function openStore(directory: string): Pool {
  const data = join(directory, "data");
  const pointer = join(data, "postgres.place");
  const home = existsSync(pointer) ? readFileSync(pointer, "utf8").trim() : join(data, "postgres");
  const { service } = JSON.parse(readFileSync(join(data, "postgres.json"), "utf8")) as { service: string };
  const pool = new Pool({
    host: join(home, "run"),
    port: 5432,
    user: "affidavit",
    database: "affidavit",
    password: service,
    ssl: false,
    max: 3,
  });
  pool.on("error", () => {});
  return pool;
}

/** Locks the log's head: every append waits until it is released. */
export async function holdLog(pool: Pool): Promise<{ release(): Promise<void> }> {
  const client = await pool.connect();
  await client.query("BEGIN");
  await client.query("SELECT 1 FROM log_head FOR UPDATE");
  return {
    async release() {
      await client.query("COMMIT");
      client.release();
    },
  };
}

/** Whether an append waits for the lock: its statement is signed and not yet stored. */
export async function appendWaits(pool: Pool): Promise<boolean> {
  const { rowCount } = await pool.query(
    "SELECT 1 FROM pg_stat_activity WHERE application_name = 'affidavit-append' AND wait_event_type = 'Lock'",
  );
  return rowCount === 1;
}

/** The tree's root by the definition of RFC 9162 section 2.1.1, with nothing of the log's own machinery. */
export function naiveRoot(leaves: readonly Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return EMPTY_ROOT;
  if (leaves.length === 1) return leaves[0]!;
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return nodeHash(naiveRoot(leaves.slice(0, split)), naiveRoot(leaves.slice(split)));
}

export interface StoredInference {
  requestId: string;
  requestDigest: string;
  leafIndex: number;
}

export interface Audit {
  size: number;
  checkpoints: number;
  keysets: number;
  /** By receipt id (hex of the statement digest). */
  inferences: Map<string, StoredInference>;
}

interface Row {
  leaf_index: string;
  type: number;
  digest: Buffer;
  words: Buffer;
  signature: Buffer;
  keyset_digest: Buffer;
  request_id: Buffer | null;
  leaf_data: Buffer;
}

const TYPES = new Map(
  Object.entries(LEAF_TYPES).map(([name, number]) => [number as number, name as LoggedType]),
);

/**
 * The whole log, recomputed: every leaf is its statement's, the head and each checkpoint are what the leaves give, no
 * request id appears twice, and no statement stands before its keyset's.
 * @throws Error naming what does not hold
 */
export async function auditLog(pool: Pool): Promise<Audit> {
  const { rows } = await pool.query<Row>(
    `SELECT s.leaf_index, type, digest, words, signature, keyset_digest, request_id, leaf_data
     FROM statements s FULL JOIN log_entries e ON e.leaf_index = s.leaf_index ORDER BY e.leaf_index`,
  );
  const leaves = rows.map((row) => leafHash(row.leaf_data));
  const audit = auditStatements(rows);
  const { rows: heads } = await pool.query<{ size: string; root: Buffer }>("SELECT size, root FROM log_head");
  check(Number(heads[0]!.size) === leaves.length, "the head's size is not the number of leaves");
  check(toHex(heads[0]!.root) === toHex(naiveRoot(leaves)), "the head's root is not the leaves' root");
  return { ...audit, size: leaves.length, checkpoints: await auditCheckpoints(pool, leaves) };
}

function auditStatements(rows: Row[]): Pick<Audit, "keysets" | "inferences"> {
  const keysets = new Set<string>();
  const requestIds = new Set<string>();
  const inferences = new Map<string, StoredInference>();
  rows.forEach((row, position) => {
    const { digest, signature, words } = row;
    check(Number(row.leaf_index) === position, `leaf ${position} is missing`);
    const type = TYPES.get(row.type)!;
    const leaf = leafData(type, digest, row.keyset_digest, signature);
    check(toHex(leaf) === toHex(row.leaf_data), `leaf ${position} is not its statement's`);
    if (type === "Keyset") keysets.add(toHex(row.keyset_digest));
    else check(keysets.has(toHex(row.keyset_digest)), `leaf ${position} stands before its keyset's`);
    if (type !== "InferenceStatement") return;
    const fields = decodeStatement(type, words);
    const requestId = toHex(fields.requestId);
    check(toHex(row.request_id!) === requestId, `leaf ${position} is stored under another request id`);
    check(!requestIds.has(requestId), `request id of leaf ${position} appears twice`);
    requestIds.add(requestId);
    inferences.set(toHex(digest), {
      requestId,
      requestDigest: toHex(fields.requestDigest),
      leafIndex: position,
    });
  });
  return { keysets: keysets.size, inferences };
}

/** @returns how many there are */
async function auditCheckpoints(pool: Pool, leaves: readonly Uint8Array[]): Promise<number> {
  const { rows } = await pool.query<{ size: string; root: Buffer; note: string }>(
    "SELECT size, root, note FROM checkpoints ORDER BY size",
  );
  const { rows: keysets } = await pool.query<{ bytes: Buffer }>(
    "SELECT bytes FROM documents WHERE kind = 'keyset' LIMIT 1",
  );
  const { log } = parseKeyset(keysets[0]!.bytes.toString());
  for (const { size, root, note } of rows) {
    check(Number(size) <= leaves.length, `a checkpoint of size ${size} is larger than the log`);
    const wanted = toHex(naiveRoot(leaves.slice(0, Number(size))));
    check(toHex(root) === wanted, `the checkpoint of size ${size} has another root`);
    const { origin } = parseCheckpoint(note);
    const signed = verifyCheckpoint(note, { name: origin, publicKey: log.publicKey });
    check(toHex(signed.root) === wanted && signed.size === BigInt(size), `the note of size ${size} differs`);
  }
  check(rows.length > 0, "there is no checkpoint");
  return rows.length;
}

function check(holds: boolean, message: string): void {
  if (!holds) throw new Error(message);
}
