/** Allowances on a real PostgreSQL: what fences a spending transaction, and who may end what. */
import { randomBytes, randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import {
  addAllowance,
  askToClose,
  claimDueRefund,
  endAllowance,
  findAllowance,
  findAllowanceOfEntry,
  freezeAllowances,
  listAllowances,
  listEnded,
  listLapsed,
  listOpen,
  readWalkedLeaves,
  refuseAllowance,
  renewLeases,
  settleAllowance,
  storeRest,
  takeFromOpen,
  type NewAllowance,
} from "./allowances.ts";
import { createAppender, type Appender } from "./append.ts";
import { ACCOUNT, statementRow } from "./arbitrary.test-support.ts";
import { inTransaction } from "./promises.ts";
import { DEFAULT_TENANT } from "./columns.ts";

let database: TestDatabase;
let appender: Appender;
let sequence = 0n;
beforeAll(async () => {
  database = await createTestDatabase();
  appender = createAppender({ connection: database.connection });
}, 60_000);
afterAll(async () => {
  await appender.close();
  await database.remove();
});

async function add(change: Partial<NewAllowance> = {}): Promise<NewAllowance> {
  const row: NewAllowance = {
    id: randomBytes(32),
    tenantId: DEFAULT_TENANT,
    accountId: ACCOUNT,
    account: randomBytes(32),
    vault: randomBytes(20),
    priceList: randomBytes(32),
    expiresAt: new Date(Date.now() + 60_000),
    operationId: randomUUID(),
    sealed: randomBytes(169),
    ...change,
  };
  expect(await inTransaction(database, (client) => addAllowance(client, row))).toBe(true);
  return row;
}

async function open(change: Partial<NewAllowance> = {}): Promise<NewAllowance & { sequence: bigint }> {
  const row = await add(change);
  const settled = { sequence: ++sequence, sealed: randomBytes(169) };
  await inTransaction(database, (client) => settleAllowance(client, row.id, settled));
  return { ...row, ...settled };
}

const take = (id: Uint8Array, options: Parameters<typeof takeFromOpen>[2] = { sealed: null }) =>
  inTransaction(database, (client) => takeFromOpen(client, id, options));
const stateOf = async (id: Uint8Array) => (await findAllowance(database, id))?.state;
const spend = (allowance: Uint8Array, spent: Uint8Array | null = randomBytes(68)) =>
  appender.append({ statement: statementRow({ spent }), allowance });
const code = (work: Promise<unknown>) =>
  work.then(
    () => "ok",
    (error: unknown) => Reflect.get(Object(error), "code") as string,
  );
async function size(): Promise<bigint> {
  const { rows } = await database.pool.query<{ size: string }>("SELECT size FROM log_head");
  return BigInt(rows[0]!.size);
}

const lapse = (id: Uint8Array) =>
  database.pool.query(
    "UPDATE ledger_allowances SET lease_until = now() - interval '1 second' WHERE id = $1",
    [id],
  );

describe("a statement that spends", () => {
  it("is stored with its record while the allowance is open, and not before or after", async () => {
    const waiting = await add();
    expect(await code(spend(waiting.id))).toBe("allowance_fenced");
    expect(await code(spend(randomBytes(32)))).toBe("allowance_fenced");
    const { id } = await open();
    const record = randomBytes(68);
    const leafIndex = await spend(id, record);
    const [walked] = await readWalkedLeaves(database, { from: leafIndex, below: leafIndex + 1n, limit: 9 });
    expect(walked?.record).toEqual(record);
    await take(id);
    expect(await code(spend(id))).toBe("allowance_fenced");
    // Those that spend nothing, and others', go on.
    const other = await open();
    const [mine, free, others] = await Promise.all([
      code(spend(id)),
      code(appender.append({ statement: statementRow() })),
      code(spend(other.id)),
    ]);
    expect([mine, free, others]).toEqual(["allowance_fenced", "ok", "ok"]);
  });

  it("is stored before the allowance ends, or not at all", async () => {
    for (let round = 0; round < 5; round++) {
      const { id } = await open();
      const begun = await size();
      const results = Array.from({ length: 20 }, () => code(spend(id)));
      await take(id);
      const ended = await size();
      const stored = (await Promise.all(results)).filter((result) => result === "ok").length;
      expect([BigInt(stored), await size()]).toEqual([ended - begun, ended]);
    }
  });
});

describe("an allowance", () => {
  it("is added once, and refused with its debit", async () => {
    const row = await add();
    expect(await inTransaction(database, (client) => addAllowance(client, row))).toBe(false);
    expect(await stateOf(row.id)).toBe("waiting");
    await refuseAllowance(database, row.operationId, "ledger_account_frozen");
    expect(await findAllowance(database, row.id)).toMatchObject({
      state: "refused",
      code: "ledger_account_frozen",
    });
    const uncovered = await add();
    const settled = { sequence: ++sequence, sealed: null };
    await inTransaction(database, (client) => settleAllowance(client, uncovered.id, settled));
    expect(await findAllowance(database, uncovered.id)).toMatchObject({
      state: "refused",
      code: "insufficient",
    });
    expect((await listAllowances(database, row.account)).map(({ id }) => id)).toEqual([row.id]);
  });

  it("is its vault's while that says so; one of several takes it up after", async () => {
    const { id, vault } = await open();
    expect(await renewLeases(database.pool, vault)).toEqual([]);
    expect(await take(id, { sealed: null, only: "lapsed" })).toBe(false);
    await lapse(id);
    expect((await listLapsed(database.pool)).map(String)).toContain(String(id));
    const took = await Promise.all([1, 2, 3].map(() => take(id, { sealed: null, only: "lapsed" })));
    expect(took.filter(Boolean).length).toBe(1);
    expect(await renewLeases(database.pool, vault)).toEqual([]);
    expect(await stateOf(id)).toBe("ended");
    expect((await listEnded(database, vault, 9)).map((row) => row.id)).toEqual([id]);
  });

  it("is leased from when its entry is done, however long the transaction took", async () => {
    const row = await add();
    await inTransaction(database, async (client) => {
      await client.query("SELECT pg_sleep(1.2)");
      await settleAllowance(client, row.id, { sequence: ++sequence, sealed: randomBytes(169) });
    });
    const { rows } = await database.pool.query<{ left: number }>(
      "SELECT extract(epoch FROM lease_until - clock_timestamp())::float AS left FROM ledger_allowances WHERE id = $1",
      [row.id],
    );
    expect(rows[0]!.left).toBeGreaterThan(19.2);
  });

  it("is due when its time is up or its owner asked", async () => {
    const vault = randomBytes(20);
    const [asked, late] = [await open({ vault }), await open({ vault, expiresAt: new Date(Date.now() - 1) })];
    const running = await open({ vault });
    await askToClose(database, asked.id);
    expect((await renewLeases(database.pool, vault)).map(String).toSorted()).toEqual(
      [asked.id, late.id].map(String).toSorted(),
    );
    expect((await listOpen(database, vault)).length).toBe(3);
    await take(running.id, { sealed: randomBytes(169) });
    expect(await stateOf(running.id)).toBe("closing");
  });

  it("freezes, is restored, refunded, and tried again by one at a time until then", async () => {
    const { id, vault, account, sequence: at } = await open();
    await take(id);
    await freezeAllowances(database, [id], "vault_restore_incomplete");
    expect(await findAllowance(database, id)).toMatchObject({
      state: "frozen",
      code: "vault_restore_incomplete",
    });
    await database.pool.query("UPDATE ledger_allowances SET retry_at = now() WHERE id = $1", [id]);
    const claimed = await Promise.all(
      [1, 2, 3].map(() => inTransaction(database, (client) => claimDueRefund(client))),
    );
    expect(claimed.filter((row) => row && String(row.id) === String(id)).length).toBe(1);
    expect((await listEnded(database, vault, 9)).length).toBe(1);
    const rest = randomBytes(169);
    await storeRest(database, id, rest);
    expect(await findAllowanceOfEntry(database, account, at)).toMatchObject({
      state: "closing",
      sealed: rest,
      code: null,
    });
    // What is known is not restored again.
    await storeRest(database, id, randomBytes(169));
    expect((await findAllowance(database, id))?.sealed).toEqual(rest);
    await inTransaction(database, (client) => endAllowance(client, account, at));
    expect(await stateOf(id)).toBe("refunded");
  });
});
