/** What a database that was tampered with makes of a receipt: nothing, and never the caller's fault. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { sha256, toHex, utf8 } from "../codec/index.ts";
import { decodeStatement, encodeStatement } from "../receipts/index.ts";
import { createTestDatabase, type TestDatabase } from "../test/postgres.ts";
import { createAppender, documentOf, LogTree, putDocuments, type Appender } from "./db/index.ts";
import { appendItem } from "./db/arbitrary.test-support.ts";
import { KeysetRecords } from "./keyset-records.ts";
import { PublishedLog } from "./published-log.ts";
import { CheckpointFeed } from "./checkpoint-feed.ts";
import { receiptBundle } from "./receipt-bundles.ts";

let database: TestDatabase;
let appender: Appender;
beforeEach(async () => {
  database = await createTestDatabase();
  appender = createAppender({ connection: database.connection });
});
afterEach(async () => {
  await appender.close();
  await database.remove();
});

/** A statement whose three documents are stored. @returns its receipt id */
async function store(): Promise<string> {
  const item = appendItem();
  const text = "{}";
  const digest = sha256(utf8(text));
  const fields = decodeStatement("InferenceStatement", new Uint8Array(item.statement.words.length));
  const named = { ...fields, modelId: digest, policyDigest: digest, executionDigest: digest };
  const words = encodeStatement("InferenceStatement", named);
  await putDocuments(database, [documentOf("policy", utf8(text))]);
  await appender.append({ ...item, statement: { ...item.statement, words } });
  return toHex(item.statement.digest);
}

const corrupt = expect.objectContaining({ name: "DatabaseError", code: "log_corrupt" });

test.each([
  ["words", "UPDATE statements SET words = substring(words FROM 1 FOR 10)"],
  ["a field's padding", "UPDATE statements SET words = set_byte(words, 13 * 32, 1)"],
  ["signature", "UPDATE statements SET signature = '\\x01'"],
  ["checkpoint", "INSERT INTO checkpoints (size, root, note, eip712) VALUES (1, '\\x00', 'no note', '{}')"],
])("malformed %s are the store's fault", async (_, change) => {
  const receiptId = await store();
  const tree = new LogTree(database.pool);
  const keysets = new KeysetRecords(database, tree, "log.example", 0);
  const published = new PublishedLog({
    database,
    tree,
    feed: new CheckpointFeed(),
    origin: "log.example",
    witnesses: 0,
  });
  await database.pool.query(change);
  const asked = change.startsWith("INSERT")
    ? published.inclusion(receiptId)
    : receiptBundle(database, keysets, receiptId);
  await expect(asked).rejects.toEqual(corrupt);
});
