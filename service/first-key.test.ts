import { mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sha256, utf8 } from "../codec/index.ts";
import { temporaryDirectory } from "../test/folder.ts";
import { createTestDatabase, type TestDatabase } from "../test/postgres.ts";
import { ApiKeyFinder } from "./db/index.ts";
import { CREDENTIALS_FILE, provideFirstKey } from "./first-key.ts";

const folder = temporaryDirectory();
let database: TestDatabase;
beforeAll(async () => void (database = await createTestDatabase()));
afterAll(async () => {
  await database.remove();
  folder.remove();
});

const URL = "http://localhost:8080";
const provide = (configDirectory: string, url = URL) =>
  provideFirstKey({ database, keys: new ApiKeyFinder(database), configDirectory, url });
const read = (file: string) => JSON.parse(readFileSync(file, "utf8")) as Record<string, string>;

test("writes a key that works, for this user's eyes alone, and keeps it", async () => {
  const file = await provide(join(folder.path, "new"));
  expect(statSync(file).mode & 0o777).toBe(0o600);
  const made = read(file);
  expect(await new ApiKeyFinder(database).find(sha256(utf8(made[URL]!)))).toBeDefined();
  await provide(join(folder.path, "new"));
  expect(read(file)).toEqual(made);
});

test("another service's key stays beside it, and one that no longer works is replaced", async () => {
  const file = await provide(join(folder.path, "shared"));
  const first = read(file)[URL]!;
  await provide(join(folder.path, "shared"), "http://localhost:9090");
  expect(read(file)[URL]).toBe(first);
  await database.pool.query("UPDATE api_keys SET revoked_at = now() WHERE key_hash = $1", [
    Buffer.from(sha256(utf8(first))),
  ]);
  await provide(join(folder.path, "shared"));
  expect(Object.keys(read(file)).toSorted()).toEqual([URL, "http://localhost:9090"]);
  expect(read(file)[URL]).not.toBe(first);
});

test.each(["", "{", "[]x", "null", '"text"'])(
  "a file that holds %j is refused, not written over",
  async (text) => {
    const directory = join(folder.path, `broken${Buffer.from(text).toString("hex")}`);
    mkdirSync(directory);
    const file = join(directory, CREDENTIALS_FILE);
    writeFileSync(file, text);
    await expect(provide(directory)).rejects.toMatchObject({ code: "setting_invalid" });
    expect(readFileSync(file, "utf8")).toBe(text);
  },
);
