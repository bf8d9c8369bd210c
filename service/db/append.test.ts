import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sha256, toHex } from "../../codec/index.ts";
import {
  CompactRange,
  leafData,
  leafHash,
  nodeHash,
  verifyConsistency,
  verifyInclusion,
} from "../../receipts/index.ts";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { appendItem, statementRow } from "./arbitrary.test-support.ts";
import { createAppender, type Appender } from "./append.ts";
import { documentOf, readDocument } from "./documents.ts";
import { LogTree } from "./tree.ts";

async function codes(results: Promise<unknown>[]): Promise<string[]> {
  const settled = await Promise.allSettled(results);
  return settled.map((result) =>
    result.status === "fulfilled" ? "ok" : ((result.reason as { code?: string }).code ?? "untyped"),
  );
}

/** The root by the definition of RFC 9162 section 2.1.1, with nothing shared with the code under test but the hashes. */
function naiveRoot(leaves: Uint8Array[]): Uint8Array {
  if (leaves.length === 0) return sha256(new Uint8Array(0));
  if (leaves.length === 1) return leafHash(leaves[0]!);
  let split = 1;
  while (split * 2 < leaves.length) split *= 2;
  return nodeHash(naiveRoot(leaves.slice(0, split)), naiveRoot(leaves.slice(split)));
}

async function allLeaves(database: TestDatabase): Promise<Uint8Array[]> {
  const { rows } = await database.pool.query(
    "SELECT leaf_index, leaf_data FROM log_entries ORDER BY leaf_index",
  );
  rows.forEach((row, position) => expect(BigInt(row.leaf_index)).toBe(BigInt(position)));
  return rows.map((row) => row.leaf_data);
}

async function expectSoundLog(database: TestDatabase): Promise<Uint8Array[]> {
  const leaves = await allLeaves(database);
  const head = await new LogTree(database.pool).head();
  expect(head.size).toBe(BigInt(leaves.length));
  expect(toHex(head.root)).toBe(toHex(naiveRoot(leaves)));
  const { rows } = await database.pool.query(
    "SELECT count(*)::int AS n FROM statements s JOIN log_entries e USING (leaf_index) WHERE substring(e.leaf_data FROM 3 FOR 32) = s.digest",
  );
  expect(rows[0].n).toBe(leaves.length);
  return leaves;
}

describe("append", () => {
  let database: TestDatabase;
  let appender: Appender;
  beforeAll(async () => {
    database = await createTestDatabase();
    appender = createAppender({ connection: database.connection });
  });
  afterAll(async () => {
    await appender.close();
    await database.remove();
  });

  test("gives every one of many concurrent appends its own place", async () => {
    const items = Array.from({ length: 1500 }, () => appendItem());
    const leaves = await Promise.all(items.map((item) => appender.append(item)));
    expect(new Set(leaves).size).toBe(1500);
    const stored = await expectSoundLog(database);
    items.forEach(({ statement: row }, i) => {
      const data = leafData(row.type, row.digest, row.keysetDigest, row.signature);
      expect(toHex(stored[Number(leaves[i])]!)).toBe(toHex(data));
    });
  });

  test("refuses a used request id and a stored statement, and only those", async () => {
    const first = appendItem();
    await appender.append(first);
    const fresh = appendItem();
    const results = [appendItem({ requestId: first.statement.requestId }), first, fresh].map((item) =>
      appender.append(item),
    );
    expect(await codes(results)).toEqual(["request_id_taken", "statement_exists", "ok"]);
    await expectSoundLog(database);
  });

  test("lets one of two with the same request id through, both sent at once", async () => {
    const requestId = randomBytes(32);
    const results = await codes([
      appender.append(appendItem({ requestId })),
      appender.append(appendItem({ requestId })),
    ]);
    expect(results).toEqual(["ok", "request_id_taken"]);
  });

  test("takes statements without a request id", async () => {
    expect(
      await codes([null, null].map(() => appender.append(appendItem({ requestId: null, type: "Keyset" })))),
    ).toEqual(["ok", "ok"]);
  });

  test("refuses what has the wrong form before it reaches the batch", async () => {
    const wrong = [
      appendItem({ digest: randomBytes(31) }),
      appendItem({ signature: randomBytes(64) }),
      appendItem({ tenantId: "x" }),
      appendItem({ requestId: randomBytes(33) }),
    ];
    expect(await codes([...wrong, appendItem()].map((item) => appender.append(item)))).toEqual([
      ...wrong.map(() => "append_invalid"),
      "ok",
    ]);
  });

  test("stores documents once, with the statement", async () => {
    const manifest = documentOf("manifest", randomBytes(3000));
    const statements = [statementRow(), statementRow(), statementRow()];
    await Promise.all(
      statements.map((statement) => appender.append({ statement, documents: [manifest, manifest] })),
    );
    expect(await readDocument(database, manifest.digest)).toEqual(manifest.bytes);
    expect(await readDocument(database, randomBytes(32))).toBeUndefined();
  });

  test("refuses more than the queue holds", async () => {
    const small = createAppender({ connection: database.connection, queueLength: 3 });
    const results = await codes(Array.from({ length: 5 }, () => small.append(appendItem())));
    expect(results).toEqual(["ok", "ok", "ok", "append_queue_full", "append_queue_full"]);
    await small.close();
    expect(await codes([small.append(appendItem())])).toEqual(["append_closed"]);
  });

  test("proves inclusion and consistency at many sizes", async () => {
    const leaves = await allLeaves(database);
    const tree = new LogTree(database.pool);
    const size = BigInt(leaves.length);
    const sizes = [1n, 2n, 255n, 256n, 257n, 511n, 512n, 1000n, size].filter(
      (candidate) => candidate <= size,
    );
    for (const at of sizes) {
      const root = naiveRoot(leaves.slice(0, Number(at)));
      expect(toHex(await tree.root(at))).toBe(toHex(root));
      for (const index of [0n, at / 2n, at - 1n]) {
        verifyInclusion(
          leafHash(leaves[Number(index)]!),
          index,
          at,
          await tree.inclusionProof(index, at),
          root,
        );
      }
      verifyConsistency(at, size, root, naiveRoot(leaves), await tree.consistencyProof(at, size));
    }
    await expect(tree.inclusionProof(0n, size + 1n)).rejects.toMatchObject({ code: "log_range" });
    await expect(tree.leaf(size)).rejects.toMatchObject({ code: "log_range" });
  });
});

describe("several appenders on one database", () => {
  test("never fork the log nor leave a gap", async () => {
    const database = await createTestDatabase();
    const appenders = [0, 1, 2].map(() => createAppender({ connection: database.connection }));
    for (let round = 0; round < 12; round++) {
      const many = appenders.flatMap((appender) =>
        Array.from({ length: 1 + ((round * 37) % 90) }, () => appender.append(appendItem())),
      );
      await Promise.all(many);
    }
    const shared = randomBytes(32);
    const results = await codes(
      appenders.map((appender) => appender.append(appendItem({ requestId: shared }))),
    );
    expect(results.toSorted()).toEqual(["ok", "request_id_taken", "request_id_taken"]);
    await expectSoundLog(database);
    await Promise.all(appenders.map((appender) => appender.close()));
    await database.remove();
  });
});

describe("a log that is not what it was", () => {
  test("a raised epoch, a shorter log and a corrupt head stop the appender", async () => {
    const database = await createTestDatabase();
    const appender = createAppender({ connection: database.connection });
    await appender.append(appendItem());
    await database.pool.query("UPDATE log_head SET epoch = epoch + 1");
    expect(await codes([appender.append(appendItem())])).toEqual(["log_fenced"]);
    await database.pool.query("UPDATE log_head SET epoch = epoch - 1");
    await appender.append(appendItem());
    const empty = [0, Buffer.from(sha256(new Uint8Array(0))), Buffer.from(CompactRange.empty().encode())];
    await database.pool.query("UPDATE log_head SET size = $1, root = $2, range = $3", empty);
    expect(await codes([appender.append(appendItem())])).toEqual(["log_fenced"]);
    const restarted = createAppender({ connection: database.connection });
    await database.pool.query("UPDATE log_head SET root = $1", [randomBytes(32)]);
    expect(await codes([restarted.append(appendItem())])).toEqual(["log_corrupt"]);
    await Promise.all([appender.close(), restarted.close()]);
    await database.remove();
  });
});
