import { pino } from "pino";
import { afterAll, beforeAll, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { useAdminNonce } from "../db/index.ts";
import { startHousekeeping } from "./housekeeping.ts";

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(() => database.remove());

const endedAgo = (ms: number) => new Date(Date.now() - ms);

test("a nonce outlives its request, for replicas whose clocks are behind", async () => {
  const [fresh, old] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  await useAdminNonce(database, fresh, endedAgo(60_000));
  await useAdminNonce(database, old, endedAgo(2 * 3_600_000));
  await startHousekeeping(database, pino({ level: "silent" }), async () => 0)();
  expect(await useAdminNonce(database, fresh, endedAgo(60_000))).toBe(false);
  expect(await useAdminNonce(database, old, endedAgo(60_000))).toBe(true);
});
