import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sha256, utf8 } from "../../codec/index.ts";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { ACCOUNT, OTHER_ACCOUNT, appendItem, statementRow } from "./arbitrary.test-support.ts";
import {
  adoptApiKey,
  ApiKeyFinder,
  countLiveApiKeys,
  createApiKey,
  hasAccount,
  listApiKeys,
  revokeApiKey,
} from "./api-keys.ts";
import { createAppender, type Appender } from "./append.ts";
import { checkpointCovering, latestCheckpoint, putCheckpoint, readCheckpoint } from "./checkpoints.ts";
import { openDatabase } from "./connect.ts";
import { documentOf, putDocuments, readDocument, readDocuments } from "./documents.ts";
import { expireReservations, readReservation, release, renew, reserve } from "./idempotency.ts";
import {
  addLink,
  findLink,
  findStatement,
  listReceipts,
  readKeysetStatement,
  removeExpiredLinks,
} from "./receipts.ts";
import { checkServer } from "./safety.ts";
import { DEFAULT_TENANT, SYSTEM_TENANT } from "./columns.ts";

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

const OWNER = { tenantId: DEFAULT_TENANT, accountId: ACCOUNT };
const DAY_MS = 86_400_000;

describe("opening", () => {
  test("several at once migrate once, and again changes nothing", async () => {
    const others = await Promise.all([1, 2, 3].map(() => openDatabase({ connection: database.connection })));
    await Promise.all(others.map((other) => other.close()));
    const { rows } = await database.pool.query("SELECT count(*)::int AS n FROM log_head");
    expect(rows).toEqual([{ n: 1 }]);
  });

  test("every table says whose each row is", async () => {
    const { rows } = await database.pool.query(
      "SELECT t.table_name FROM information_schema.tables t WHERE table_schema = 'public' AND NOT EXISTS (SELECT 1 FROM information_schema.columns c WHERE c.table_name = t.table_name AND column_name = 'tenant_id')",
    );
    expect(rows).toEqual([]);
  });

  test("a server that does not flush commits is refused", async () => {
    const unsafe = await createTestDatabase();
    const { database: name } = unsafe.connection;
    await unsafe.pool.query(`ALTER DATABASE ${name} SET synchronous_commit = off`);
    await expect(openDatabase({ connection: unsafe.connection })).rejects.toMatchObject({
      code: "database_unsafe",
    });
    const late = createAppender({ connection: unsafe.connection });
    await expect(late.append(appendItem())).rejects.toMatchObject({ code: "database_unsafe" });
    await late.close();
    await unsafe.remove();
  });

  test.each([
    [{ version: 149_999, fsync: "on", commit: "on" }, "database_version"],
    [{ version: 150_000, fsync: "off", commit: "on" }, "database_unsafe"],
  ])("a server that answers %j is refused", async (row, code) => {
    const client = { query: () => Promise.resolve({ rows: [row] }) } as unknown as Parameters<
      typeof checkServer
    >[0];
    await expect(checkServer(client)).rejects.toMatchObject({ code });
  });

  test("an unreachable server is a typed failure", async () => {
    const nowhere = { ...database.connection, host: "/nowhere" };
    await expect(openDatabase({ connection: nowhere })).rejects.toMatchObject({
      code: "database_unavailable",
    });
  });
});

describe("API keys", () => {
  test("a key is found by its digest until it is revoked, within a second", async () => {
    let now = Date.now();
    const finder = new ApiKeyFinder(database, () => now);
    const { key, row } = await createApiKey(database, { label: "first", scopes: ["infer"] });
    expect(key.startsWith(row.prefix)).toBe(true);
    const digest = sha256(utf8(key));
    const found = await finder.find(digest);
    expect(found).toMatchObject({
      account: { keyId: row.id, accountId: row.accountId, tenantId: DEFAULT_TENANT },
      scopes: ["infer"],
    });
    expect(await revokeApiKey(database, row.id)).toBe(true);
    expect(await revokeApiKey(database, row.id)).toBe(false);
    now += 1000;
    expect(await finder.find(digest)).toBeUndefined();
  });

  test("the key's text is stored nowhere", async () => {
    const { key, row } = await createApiKey(database, { label: "hidden", scopes: [] });
    const { rows } = await database.pool.query(
      "SELECT row_to_json(k)::text AS text FROM api_keys k WHERE id = $1",
      [row.id],
    );
    expect(rows[0].text).not.toContain(key.slice(13));
  });

  test("an expired key, an unknown one and another tenant's are not found", async () => {
    const finder = new ApiKeyFinder(database);
    const { key, row } = await createApiKey(database, {
      label: "old",
      scopes: [],
      expiresAt: new Date(Date.now() - 1),
    });
    expect(await finder.find(sha256(utf8(key)))).toBeUndefined();
    expect(await finder.find(randomBytes(32))).toBeUndefined();
    expect(await revokeApiKey(database, row.id, "99999999-9999-4999-8999-999999999999")).toBe(false);
    expect((await listApiKeys(database)).map(({ id }) => id)).toContain(row.id);
  });

  test("a key made elsewhere is taken in once, and stays revoked where it was", async () => {
    const digest = new Uint8Array(randomBytes(32));
    const adopt = () => adoptApiKey(database, digest, { label: "operator", scopes: ["admin"] });
    await Promise.all([adopt(), adopt()]);
    const holder = await new ApiKeyFinder(database).find(digest);
    expect(holder?.scopes).toEqual(["admin"]);
    await revokeApiKey(database, holder!.account.keyId);
    await adopt();
    expect(await new ApiKeyFinder(database).find(digest)).toBeUndefined();
  });

  test("live keys are counted by tenant, and listed before revoked ones; accounts are known by their keys", async () => {
    const before = await countLiveApiKeys(database, DEFAULT_TENANT);
    const { row: kept } = await createApiKey(database, { label: "kept", scopes: [] });
    const { row: gone } = await createApiKey(database, { label: "gone", scopes: [] });
    await revokeApiKey(database, gone.id);
    expect(await countLiveApiKeys(database, DEFAULT_TENANT)).toBe(before + 1);
    expect(await countLiveApiKeys(database, SYSTEM_TENANT)).toBe(0);
    const listed = (await listApiKeys(database)).map(({ id }) => id);
    expect(listed.indexOf(gone.id)).toBeGreaterThan(listed.indexOf(kept.id));
    expect(await hasAccount(database, DEFAULT_TENANT, gone.accountId)).toBe(true);
    expect(await hasAccount(database, SYSTEM_TENANT, gone.accountId)).toBe(false);
  });

  test("a refused statement shows no parameters", async () => {
    const wrong = createApiKey(database, { label: "\0 s3cret", scopes: [] });
    const error = await wrong.catch((failure: unknown) => failure);
    expect(error).toMatchObject({ code: "database_failed" });
    expect(String((error as Error).message) + String((error as Error).cause)).not.toContain("s3cret");
  });
});

function someLink(expiresAt: Date) {
  return { tokenHash: randomBytes(32), tenantId: DEFAULT_TENANT, receiptDigest: randomBytes(32), expiresAt };
}

describe("receipts", () => {
  test("are found by their digest, with whose they are", async () => {
    const { statement } = appendItem();
    const leafIndex = await appender.append({ statement });
    expect(await findStatement(database, statement.digest)).toMatchObject({
      leafIndex,
      type: "InferenceStatement",
      ...OWNER,
      words: statement.words,
      requestId: statement.requestId,
    });
    expect(await findStatement(database, randomBytes(32))).toBeUndefined();
  });

  test("links are found by the token's hash, and removed once their time is over", async () => {
    const now = new Date();
    const [live, over] = [someLink(new Date(now.getTime() + DAY_MS)), someLink(now)];
    await addLink(database, live);
    await addLink(database, over);
    expect(await findLink(database, over.tokenHash)).toMatchObject(over);
    expect(await removeExpiredLinks(database, now)).toBe(1);
    expect(await findLink(database, over.tokenHash)).toBeUndefined();
    expect(await findLink(database, live.tokenHash)).toMatchObject(live);
  });

  test("are listed newest first, page by page", async () => {
    const accountId = "33333333-3333-4333-8333-333333333333";
    for (let i = 0; i < 5; i++) await appender.append(appendItem({ accountId }));
    const owner = { tenantId: DEFAULT_TENANT, accountId };
    const first = await listReceipts(database, owner, { limit: 3 });
    const rest = await listReceipts(database, owner, { limit: 3, before: first.at(-1)!.leafIndex });
    const indices = [...first, ...rest].map((row) => row.leafIndex);
    expect(indices).toHaveLength(5);
    expect(indices).toEqual(indices.toSorted((a, b) => Number(b - a)));
  });

  test("a keyset's statement is found by the keyset, whoever asks", async () => {
    const statement = statementRow({ type: "Keyset", requestId: null, accountId: null });
    await appender.append({ statement });
    expect(await readKeysetStatement(database, statement.keysetDigest)).toMatchObject({
      digest: statement.digest,
    });
    expect(await readKeysetStatement(database, randomBytes(32))).toBeUndefined();
  });
});

describe("documents and checkpoints", () => {
  test("documents answer to the digest of their bytes alone", async () => {
    const rows = [documentOf("policy", randomBytes(10)), documentOf("evidence", randomBytes(5000))];
    await putDocuments(database, rows);
    await putDocuments(database, rows);
    expect(
      (
        await readDocuments(
          database,
          rows.map(({ digest }) => digest),
        )
      ).size,
    ).toBe(2);
    await database.pool.query("UPDATE documents SET bytes = '\\x00' WHERE digest = $1", [rows[0]!.digest]);
    await expect(readDocument(database, rows[0]!.digest)).rejects.toMatchObject({ code: "log_corrupt" });
  });

  test("the first checkpoint of a size stays", async () => {
    expect(await latestCheckpoint(database)).toBeUndefined();
    const row = { root: randomBytes(32), note: "note", eip712: "{}" };
    expect(await putCheckpoint(database, { ...row, size: 0n })).toBe(true);
    expect(await putCheckpoint(database, { ...row, size: 7n })).toBe(true);
    expect(await putCheckpoint(database, { ...row, size: 7n, note: "another" })).toBe(false);
    expect(await latestCheckpoint(database)).toMatchObject({ size: 7n, note: "note" });
    expect(await readCheckpoint(database, 0n)).toMatchObject({ root: row.root });
    expect(await checkpointCovering(database, 5n)).toMatchObject({ size: 7n });
    expect(await checkpointCovering(database, 8n)).toBeUndefined();
  });
});

function someKey() {
  return { ...OWNER, keyHash: randomBytes(32) };
}

function someTerms(change: Partial<{ tag: Uint8Array; leaseMs: number; ttlMs: number }> = {}) {
  return { tag: randomBytes(32), leaseMs: 60_000, ttlMs: DAY_MS, ...change };
}

async function mine(name: ReturnType<typeof someKey>, wanted = someTerms()): Promise<Uint8Array> {
  const found = await reserve(database, name, wanted);
  if (found.state !== "reserved") throw new Error(`not free: ${found.state}`);
  return found.lease;
}

describe("idempotency", () => {
  test("one of many gets the reservation, the others hear that it is taken and for what", async () => {
    const name = someKey();
    const wanted = someTerms();
    const found = await Promise.all(Array.from({ length: 12 }, () => reserve(database, name, wanted)));
    const states = found.map(({ state }) => state).toSorted();
    expect(states).toEqual([...Array.from({ length: 11 }, () => "busy"), "reserved"]);
    expect(found.find(({ state }) => state === "busy")).toMatchObject({ tag: wanted.tag });
  });

  test("is completed with the statement, and then replayed", async () => {
    const name = someKey();
    const lease = await mine(name);
    const { statement } = appendItem();
    const ciphertext = randomBytes(500);
    await appender.append({ statement, idempotency: { ...name, lease, ciphertext } });
    expect(await reserve(database, name, someTerms())).toMatchObject({
      state: "done",
      ciphertext,
      receiptDigest: statement.digest,
    });
    expect(await release(database, name, lease)).toBe(false);
  });

  test("an append whose lease ended stores nothing, and fails alone", async () => {
    const name = someKey();
    const wanted = someTerms({ leaseMs: 0 });
    const first = await mine(name, wanted);
    const second = await mine(name, wanted);
    const late = appendItem();
    const results = await Promise.allSettled([
      appender.append({ ...late, idempotency: { ...name, lease: first, ciphertext: randomBytes(5) } }),
      appender.append(appendItem()),
    ]);
    expect(results.map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
    expect(results[0]).toMatchObject({ reason: { code: "idempotency_lost" } });
    expect(await findStatement(database, late.statement.digest)).toBeUndefined();
    await appender.append({ ...late, idempotency: { ...name, lease: second, ciphertext: randomBytes(5) } });
  });

  test("a dead holder's key is taken over by the same request only, once its lease has run out", async () => {
    const name = someKey();
    const wanted = someTerms({ leaseMs: 30 });
    const first = await mine(name, wanted);
    expect(await renew(database, name, first, 60)).toBe(true);
    expect(await reserve(database, name, wanted)).toMatchObject({ state: "busy" });
    await sleep(80);
    expect(await reserve(database, name, someTerms())).toMatchObject({ state: "busy", tag: wanted.tag });
    await mine(name, wanted);
    expect(await renew(database, name, first, 60)).toBe(false);
  });

  test("a released key is free for any request", async () => {
    const name = someKey();
    const lease = await mine(name);
    expect(await release(database, name, lease)).toBe(true);
    expect(await readReservation(database, name)).toBeUndefined();
    await mine(name);
  });

  test("after its time the answer is gone, and the receipt still named", async () => {
    const name = someKey();
    const lease = await mine(name, someTerms({ ttlMs: 0 }));
    const { statement } = appendItem();
    await appender.append({ statement, idempotency: { ...name, lease, ciphertext: randomBytes(5) } });
    const gone = { state: "gone", receiptDigest: statement.digest };
    expect(await reserve(database, name, someTerms())).toMatchObject(gone);
    expect(await expireReservations(database)).toBeGreaterThan(0);
    expect(await reserve(database, name, someTerms())).toMatchObject(gone);
  });

  test("another account's same key is another key", async () => {
    const name = someKey();
    await mine(name);
    await mine({ ...name, accountId: OTHER_ACCOUNT });
  });
});
