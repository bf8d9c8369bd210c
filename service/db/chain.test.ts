import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { dueRequests, keepRead, retryRequestLater } from "./chain.ts";

const PLACE = { chainId: 1n, coordinator: randomBytes(20) };
const HOUR_MS = 3_600_000;

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.remove());

test("requests that wait again and again keep no other from its turn, whatever their deadline", async () => {
  const nowMs = Date.now();
  const seen = [1, 2, 3].map((hours) => ({
    requestId: randomBytes(32),
    block: 1n,
    event: "{}",
    deadlineAt: new Date(nowMs + hours * HOUR_MS),
  }));
  await keepRead(database, PLACE, { cursor: { block: 1n, blockHash: randomBytes(32) }, seen });
  const turns: Uint8Array[] = [];
  for (let turn = 1; turn <= 3; turn++) {
    // As a watcher whose rounds take longer than its polls: all of them are due in each.
    const now = new Date(nowMs + turn * HOUR_MS);
    const [row] = await dueRequests(database, PLACE, { now, limit: 1 });
    turns.push(row!.requestId);
    await retryRequestLater(database, row!.requestId, { at: now, code: "opening_missing", attempts: 0 });
  }
  expect(hex(turns)).toEqual(hex(seen.map(({ requestId }) => requestId)));
});

function hex(ids: Uint8Array[]): string[] {
  return ids.map((id) => Buffer.from(id).toString("hex")).toSorted();
}
