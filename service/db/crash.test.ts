/** What a killed server leaves: every append that was acknowledged, no gap, and a log that goes on. */
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { toHex } from "../../codec/index.ts";
import { leafHash, treeRoot } from "../../receipts/index.ts";
import { startTestServer, temporaryDirectory } from "../../test/postgres.ts";
import { appendItem } from "./arbitrary.test-support.ts";
import { createAppender, type AppenderEvent } from "./append.ts";
import { openDatabase, type Database } from "./connect.ts";
import { foldComplete } from "./edge.ts";
import { LogTree } from "./tree.ts";

let server: Awaited<ReturnType<typeof startTestServer>>;
let database: Database;
beforeAll(async () => {
  server = await startTestServer();
  database = await openDatabase({ connection: server.connection });
});
afterAll(async () => {
  await database.close();
  await server.remove();
});

async function storedDigests(): Promise<Map<string, bigint>> {
  const { rows } = await database.pool.query("SELECT digest, leaf_index FROM statements ORDER BY leaf_index");
  return new Map(rows.map((row) => [toHex(row.digest), BigInt(row.leaf_index)]));
}

async function rootFromEntries(): Promise<{ size: bigint; root: string }> {
  const { rows } = await database.pool.query(
    "SELECT leaf_index, leaf_data FROM log_entries ORDER BY leaf_index",
  );
  rows.forEach((row, position) => expect(BigInt(row.leaf_index)).toBe(BigInt(position)));
  const hashes = rows.map((row) => leafHash(row.leaf_data));
  const size = BigInt(hashes.length);
  const root = treeRoot(size, (level, index) => {
    const start = Number(index) * 2 ** level;
    return foldComplete(hashes.slice(start, start + 2 ** level));
  });
  return { size, root: toHex(root) };
}

async function killUnderLoad(afterMs: number): Promise<void> {
  const events: AppenderEvent[] = [];
  const appender = createAppender({
    connection: database.connection,
    timeoutMs: 20_000,
    onEvent: (event) => events.push(event),
  });
  const acknowledged = new Map<string, bigint>();
  const failures: string[] = [];
  const load = new AbortController();
  const before = server.pid()!;
  async function caller(): Promise<void> {
    while (!load.signal.aborted) {
      const item = appendItem();
      try {
        acknowledged.set(toHex(item.statement.digest), await appender.append(item));
      } catch (error) {
        failures.push((error as { code: string }).code);
      }
    }
  }
  const callers = Array.from({ length: 40 }, caller);
  setTimeout(() => process.kill(before, "SIGKILL"), afterMs);
  await expect
    .poll(() => server.pid() !== before && server.pid() !== undefined, { timeout: 20_000 })
    .toBe(true);
  const sizeThen = acknowledged.size;
  await expect.poll(() => acknowledged.size > sizeThen + 100, { timeout: 20_000 }).toBe(true);
  load.abort();
  await Promise.all(callers);
  await appender.close();

  // Each waiting caller was carried over the crash: its statement was found stored, or stored again.
  expect(failures).toEqual([]);
  expect(events.filter(({ kind }) => kind === "connected").length).toBeGreaterThan(1);
  const stored = await storedDigests();
  for (const [digest, leafIndex] of acknowledged) expect(stored.get(digest)).toBe(leafIndex);
  const tree = new LogTree(database.pool);
  const { size, root } = await tree.head();
  expect(await rootFromEntries()).toEqual({ size, root: toHex(root) });
  expect(toHex(await tree.root(size))).toBe(toHex(root));
}

test.each([120, 205, 333])("kill -9 of the server %d ms into a load loses nothing", killUnderLoad, 60_000);

/** Stands between appender and server; once told, it lets requests through and keeps the answers to itself. */
async function startProxy(path: string): Promise<{ folder: string; swallow(): void; close(): void }> {
  const target = `${server.connection.host}/.s.PGSQL.5432`;
  let swallowing = false;
  const proxy = createServer((client) => {
    const upstream = connect(target);
    const cut = () => {
      client.destroy();
      upstream.destroy();
    };
    for (const end of [client, upstream]) end.on("error", cut).on("close", cut);
    client.pipe(upstream);
    upstream.on("data", (chunk) => {
      if (!swallowing) return void client.write(chunk);
      swallowing = false;
      cut();
    });
  });
  await new Promise<void>((listening) => proxy.listen(join(path, ".s.PGSQL.5432"), listening));
  return { folder: path, swallow: () => void (swallowing = true), close: () => void proxy.close() };
}

test("a commit whose answer was lost is found, not stored again", async () => {
  const directory = temporaryDirectory();
  const proxy = await startProxy(directory.path);
  const appender = createAppender({ connection: { ...database.connection, host: proxy.folder } });
  const before = await appender.append(appendItem());
  proxy.swallow();
  const items = [appendItem(), appendItem()];
  const leaves = await Promise.all(items.map((item) => appender.append(item)));
  expect(leaves).toEqual([before + 1n, before + 2n]);
  expect(await appender.append(appendItem())).toBe(before + 3n);
  const stored = await storedDigests();
  items.forEach(({ statement }, i) => expect(stored.get(toHex(statement.digest))).toBe(leaves[i]));
  await appender.close();
  proxy.close();
  directory.remove();
});

test("a database that stays away is a typed failure, and the queue empties", async () => {
  const away = createAppender({ connection: { ...database.connection, host: "/nowhere" }, timeoutMs: 300 });
  const results = await Promise.allSettled([away.append(appendItem()), away.append(appendItem())]);
  expect(results.map((result) => result.status === "rejected" && result.reason.code)).toEqual([
    "database_unavailable",
    "database_unavailable",
  ]);
  expect(away.waiting()).toBe(0);
  await away.close();
});
