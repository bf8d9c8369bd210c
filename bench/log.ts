/**
 * What the log costs: durable appends a second beside the disk's own flushes, an inclusion proof in a log of a million
 * leaves, and how long a caller waits from its answer to the proof that the log has it.
 */
import { randomBytes } from "node:crypto";
import { closeSync, fdatasyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import type { Pool } from "pg";
import { CompactRange, leafHash } from "../receipts/index.ts";
import { appendItem } from "../service/db/arbitrary.test-support.ts";
import { byteaArray, int2Array, int8Array } from "../service/db/binary-array.ts";
import { Edge } from "../service/db/edge.ts";
import {
  createAppender,
  LogTree,
  openDatabase,
  startEmbedded,
  type EmbeddedServer,
} from "../service/db/index.ts";
import { temporaryDirectory } from "../test/folder.ts";
import { infer, receiptIdOf, smallCall } from "../test/service-load.ts";
import { startService } from "../test/service-process.ts";
import { figure, type Report } from "./report.ts";

const PAIRS = 7;
const SLICE_MS = 1500;
const CALLERS = 1024;
const LEAVES = 1_000_000;
const BATCH = 8192;
const PROOFS = 400;
const WAITS = 60;

function say(text: string): void {
  process.stderr.write(`${text}\n`);
}

/** Flushed writes of one database page to a file beside the database's own. */
function flushesPerSecond(directory: string): number {
  const file = openSync(join(directory, "flushes"), "w");
  const page = randomBytes(8192);
  const started = performance.now();
  let count = 0;
  while (performance.now() - started < SLICE_MS) {
    writeSync(file, page, 0, page.length, (count % 64) * page.length);
    fdatasyncSync(file);
    count++;
  }
  closeSync(file);
  return (1000 * count) / (performance.now() - started);
}

/** As many callers as a busy service has, each with its next statement once the last one is committed. */
async function appendsPerSecond(server: EmbeddedServer): Promise<number> {
  const appender = createAppender({ connection: server.connection });
  const started = performance.now();
  let count = 0;
  const caller = async () => {
    while (performance.now() - started < SLICE_MS) {
      await appender.append(appendItem());
      count++;
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  const perSecond = (1000 * count) / (performance.now() - started);
  await appender.close();
  return perSecond;
}

/** Leaves without statements, which a proof does not read, stored as the appender stores them. */
async function fillTree(pool: Pool): Promise<void> {
  let edge = new Edge(CompactRange.empty(), []);
  for (let first = 0; first < LEAVES; first += BATCH) {
    const count = Math.min(BATCH, LEAVES - first);
    const bytes = randomBytes(131 * count);
    const leaves = Array.from({ length: count }, (_, i) => bytes.subarray(131 * i, 131 * i + 131));
    const next = edge.append(leaves.map(leafHash));
    edge = next.edge;
    await pool.query(
      "INSERT INTO log_entries (leaf_index, leaf_data) SELECT $1::bigint + n - 1, a FROM unnest($2::bytea[]) WITH ORDINALITY AS t(a, n)",
      [first, byteaArray(leaves)],
    );
    await pool.query(
      `INSERT INTO log_tiles (level, index, hashes) SELECT a, b, c FROM unnest($1::int2[], $2::int8[], $3::bytea[]) AS t(a, b, c)
       ON CONFLICT (level, index) DO UPDATE SET hashes = EXCLUDED.hashes`,
      [
        int2Array(next.tiles.map(({ level }) => level)),
        int8Array(next.tiles.map(({ index }) => index)),
        byteaArray(next.tiles.map(({ hashes }) => hashes)),
      ],
    );
  }
  await pool.query("UPDATE log_head SET size = $1, root = $2, range = $3", [
    LEAVES,
    Buffer.from(edge.range.root()),
    Buffer.from(edge.range.encode()),
  ]);
}

async function proofTimes(pool: Pool): Promise<number[]> {
  const tree = new LogTree(pool);
  const times: number[] = [];
  for (let i = 0; i < PROOFS; i++) {
    const index = BigInt(Math.floor(Math.random() * LEAVES));
    const started = performance.now();
    await tree.inclusionProof(index, BigInt(LEAVES));
    times.push(performance.now() - started);
  }
  return times;
}

async function withServer<T>(work: (server: EmbeddedServer, directory: string) => Promise<T>): Promise<T> {
  const folder = temporaryDirectory();
  const server = await startEmbedded({
    dataDirectory: join(folder.path, "data"),
    sharedDirectory: join(folder.path, "shared"),
  });
  const database = await openDatabase({ connection: server.connection });
  await database.close();
  try {
    return await work(server, folder.path);
  } finally {
    await server.stop();
    folder.remove();
  }
}

async function measureAppends(server: EmbeddedServer, directory: string) {
  const flushes: number[] = [];
  const appends: number[] = [];
  await appendsPerSecond(server);
  for (let pair = 0; pair < PAIRS; pair++) {
    flushes.push(flushesPerSecond(directory));
    appends.push(await appendsPerSecond(server));
  }
  return { flushes, appends };
}

async function measureProofs(server: EmbeddedServer): Promise<number[]> {
  const database = await openDatabase({ connection: server.connection });
  try {
    await fillTree(database.pool);
    return await proofTimes(database.pool);
  } finally {
    await database.close();
  }
}

/** From the answer to the receipt that holds its inclusion proof, one caller, checkpoints at their default interval. */
async function measureWaits(): Promise<number[]> {
  const service = await startService();
  const times: number[] = [];
  try {
    for (let i = 0; i < WAITS; i++) {
      const answer = await infer(service, smallCall("breast-cancer"));
      const started = performance.now();
      const response = await fetch(`${service.url}/v1/receipts/${receiptIdOf(answer)}?wait=inclusion`, {
        headers: { authorization: `Bearer ${service.apiKey}` },
      });
      const { inclusion } = (await response.json()) as { inclusion: unknown };
      if (inclusion === null) throw new Error("the wait ended without an inclusion proof");
      times.push(performance.now() - started);
    }
    return times;
  } finally {
    await service.stop();
  }
}

export async function run(): Promise<Report> {
  say(`appending beside flushes, ${PAIRS} pairs of ${SLICE_MS} ms`);
  const { flushes, appends } = await withServer(measureAppends);
  say(`filling a log of ${LEAVES} leaves`);
  const proofs = await withServer(measureProofs);
  say(`waiting for ${WAITS} inclusions`);
  const waits = await measureWaits();
  return {
    bench: "log",
    figures: [
      figure("durable_per_s", appends, { unit: "1/s", better: "higher", aim: 3000 }),
      figure("fsync_per_s", flushes, { unit: "1/s", better: "higher" }),
      figure("inclusion_1m_ms", proofs, { unit: "ms", better: "lower", aim: 5 }),
      figure("wait_inclusion_p50_ms", waits, { unit: "ms", better: "lower" }),
    ],
    notMeasured: [],
  };
}
