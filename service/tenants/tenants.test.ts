/** Limits and suspension, as two replicas on one database keep them. The clock is the test's. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { addTenant, changeDirectory, changeTenant, listMonths, setSuspended } from "../db/index.ts";
import type { NewTenant } from "../db/tenants.ts";
import type { ServiceError } from "../problem.ts";
import { openTenants, TenantDirectory, type Admission, type RunningTenants } from "./index.ts";

const NEVER_MS = 3_600_000;
const START_MS = Date.UTC(2027, 0, 15);
const UNLIMITED = { requestsPerMinute: null, concurrency: null, requestsPerMonth: null, everyModel: false };
let database: TestDatabase;
let nowMs = START_MS;
let refusals: string[] = [];

interface Replica extends RunningTenants {
  directory: TenantDirectory;
}
const open: Replica[] = [];

function onError(error: unknown): never {
  throw error;
}

async function replica(): Promise<Replica> {
  const directory = await TenantDirectory.open({ database, onError, intervalMs: NEVER_MS });
  const tenants = openTenants({
    database,
    directory,
    nowMs: () => nowMs,
    onLimited: (limit) => refusals.push(limit),
    onError,
    reportMs: NEVER_MS,
  });
  const one = { ...tenants, directory };
  open.push(one);
  return one;
}

async function tenant(limits: Partial<NewTenant>): Promise<string> {
  const made = { ...UNLIMITED, name: "made", ...limits };
  return (await changeDirectory(database, (tx) => addTenant(tx, made, 1000)))!.tenantId;
}

/** Takes a place and ends at once; the code where it was refused. */
async function ask(one: RunningTenants, tenantId: string, answered = true): Promise<string> {
  try {
    (await one.admit(tenantId)).end({ answered, inputBytes: 10, outputBytes: 3 });
    return "ok";
  } catch (error) {
    return (error as ServiceError).code;
  }
}

async function many(count: number, work: (i: number) => Promise<string>): Promise<Record<string, number>> {
  const codes = await Promise.all(Array.from({ length: count }, (_, i) => work(i)));
  return Object.fromEntries(
    [...new Set(codes)].map((code) => [code, codes.filter((c) => c === code).length]),
  );
}

beforeAll(async () => {
  database = await createTestDatabase();
});
beforeEach(() => {
  nowMs = START_MS;
  refusals = [];
});
afterAll(async () => {
  for (const one of open) {
    await one.close();
    await one.directory.close();
  }
  await database.remove();
});

describe("requests a minute", () => {
  test("are shared by replicas, whichever is asked, and come again with time", async () => {
    const id = await tenant({ requestsPerMinute: 90 });
    const both = [await replica(), await replica()];
    expect(await many(200, (i) => ask(both[i % 2]!, id))).toEqual({ ok: 90, rate_limited: 110 });
    nowMs += 20_000;
    expect(await many(200, (i) => ask(both[i % 2]!, id))).toEqual({ ok: 30, rate_limited: 170 });
    // An hour saves up no more than a minute's worth.
    nowMs += 3_600_000;
    expect(await many(200, (i) => ask(both[i % 2]!, id))).toEqual({ ok: 90, rate_limited: 110 });
    expect(new Set(refusals)).toEqual(new Set(["rate"]));
  });

  test("are told to the caller, and when to come back", async () => {
    const id = await tenant({ requestsPerMinute: 4 });
    const one = await replica();
    const { headers } = await one.admit(id);
    expect(headers).toEqual({ "ratelimit-policy": '"minute";q=4;w=60', ratelimit: '"minute";r=3;t=15' });
    await many(3, () => ask(one, id));
    nowMs += 5000;
    const refusal = await one.admit(id).catch((error: unknown) => error);
    expect(refusal).toMatchObject({
      code: "rate_limited",
      options: { retryAfterSeconds: 10, headers: { ratelimit: '"minute";r=0;t=60' } },
    });
    nowMs += 9999;
    expect(await ask(one, id)).toBe("rate_limited");
    nowMs += 2;
    expect(await ask(one, id)).toBe("ok");
  });

  test("cost a flood no query each", async () => {
    const id = await tenant({ requestsPerMinute: 1 });
    const one = await replica();
    expect(await ask(one, id)).toBe("ok");
    expect(await ask(one, id)).toBe("rate_limited");
    const { query, connect } = database.pool;
    let asked = 0;
    const counted = <T extends (...given: never[]) => unknown>(work: T) =>
      ((...given: never[]) => {
        asked++;
        return work.apply(database.pool, given);
      }) as unknown as T;
    Object.assign(database.pool, { query: counted(query as never), connect: counted(connect as never) });
    try {
      expect(await many(100, () => ask(one, id))).toEqual({ rate_limited: 100 });
      expect(asked).toBe(0);
    } finally {
      Object.assign(database.pool, { query, connect });
    }
  });

  test("that a dead replica held are a second's worth at most", async () => {
    const id = await tenant({ requestsPerMinute: 600 });
    expect(await ask(await replica(), id)).toBe("ok");
    // It held ten, used one, and is never heard of again.
    const other = await replica();
    expect(await many(700, () => ask(other, id))).toEqual({ ok: 590, rate_limited: 110 });
  });

  test("that a clock behind asks for do not refill anything", async () => {
    const id = await tenant({ requestsPerMinute: 60 });
    const one = await replica();
    await many(60, () => ask(one, id));
    nowMs -= 30_000;
    expect(await ask(await replica(), id)).toBe("rate_limited");
  });
});

describe("requests a month", () => {
  test("are counted where they were answered, over all replicas, until the month ends", async () => {
    const id = await tenant({ requestsPerMonth: 50n });
    const both = [await replica(), await replica()];
    expect(await many(20, (i) => ask(both[i % 2]!, id, false))).toEqual({ ok: 20 });
    expect(await many(80, (i) => ask(both[i % 2]!, id))).toEqual({ ok: 50, quota_exceeded: 30 });
    const refusal = await both[0]!.admit(id).catch((error: unknown) => error);
    const seconds = (Date.UTC(2027, 1, 1) - START_MS) / 1000;
    expect(refusal).toMatchObject({
      options: {
        retryAfterSeconds: seconds,
        headers: { "ratelimit-policy": '"month";q=50', ratelimit: `"month";r=0;t=${seconds}` },
      },
    });
    for (const one of both) await one.report();
    const [january] = await listMonths(database, id);
    expect(january).toMatchObject({ month: "2027-01", answered: 50n, leased: 50n, inputBytes: 700n });
    expect(january!.refused).toBe(51n);
    nowMs = Date.UTC(2027, 1, 1);
    expect(await ask(both[1]!, id)).toBe("ok");
    // A higher quota holds at once.
    await changeDirectory(database, (tx) => changeTenant(tx, id, { requestsPerMonth: 1n }));
    await both[1]!.directory.refresh();
    expect(await ask(both[1]!, id)).toBe("quota_exceeded");
    await changeDirectory(database, (tx) => changeTenant(tx, id, { requestsPerMonth: 2n }));
    await both[1]!.directory.refresh();
    expect(await ask(both[1]!, id)).toBe("ok");
  });

  test("that a replica did not use come back when it is idle, and when it stops", async () => {
    const id = await tenant({ requestsPerMonth: 1000n, requestsPerMinute: 6000 });
    const one = await replica();
    await ask(one, id);
    await one.report();
    expect((await listMonths(database, id))[0]!.leased).toBeGreaterThan(1n);
    nowMs += 5000;
    await one.report();
    expect((await listMonths(database, id))[0]).toMatchObject({ leased: 1n, answered: 1n });
    await ask(one, id);
    await one.close();
    expect((await listMonths(database, id))[0]).toMatchObject({ leased: 2n, answered: 2n });
  });
});

describe("requests at one time", () => {
  test("are shared by replicas; what one does not need the other gets", async () => {
    const id = await tenant({ concurrency: 5 });
    const [one, two] = [await replica(), await replica()];
    const held: Admission[] = [];
    for (let i = 0; i < 5; i++) held.push(await one.admit(id));
    expect(held[4]!.headers["ratelimit"]).toBe('"concurrency";r=0');
    expect([await ask(one, id), await ask(two, id)]).toEqual(["concurrency_limited", "concurrency_limited"]);
    for (const admission of held.splice(0, 2))
      admission.end({ answered: true, inputBytes: 0, outputBytes: 0 });
    // Still in the first one's hand.
    nowMs += 200;
    expect(await ask(two, id)).toBe("concurrency_limited");
    await one.report();
    await one.report();
    nowMs += 200;
    expect(await ask(two, id)).toBe("ok");
    // The three that run are kept alive by reports, for as long as they run.
    for (let i = 0; i < 4; i++) {
      nowMs += 9000;
      await one.report();
    }
    const more = await Promise.allSettled(Array.from({ length: 5 }, () => two.admit(id)));
    expect(more.filter(({ status }) => status === "fulfilled")).toHaveLength(2);
  });

  test("that a dead replica held are free after ten seconds", async () => {
    const id = await tenant({ concurrency: 1 });
    await (await replica()).admit(id);
    const other = await replica();
    expect(await ask(other, id)).toBe("concurrency_limited");
    nowMs += 10_001;
    expect(await ask(other, id)).toBe("ok");
  });
});

describe("a tenant", () => {
  test("that is suspended is refused on each replica once that looks again, and then let in again", async () => {
    const id = await tenant({});
    const both = [await replica(), await replica()];
    for (const one of both) await one.requireActive(id);
    const set = (at: Date | null) => changeDirectory(database, (tx) => setSuspended(tx, id, at));
    expect([await set(new Date()), await set(new Date())]).toEqual([true, false]);
    for (const one of both) {
      await one.directory.refresh();
      await expect(one.requireActive(id)).rejects.toMatchObject({ code: "tenant_suspended" });
    }
    expect(await set(null)).toBe(true);
    await both[0]!.directory.refresh();
    await both[0]!.requireActive(id);
    await expect(both[1]!.requireActive(id)).rejects.toMatchObject({ code: "tenant_suspended" });
  });

  test("that was made a moment ago elsewhere is known, and one that nobody made is not", async () => {
    const one = await replica();
    const id = await tenant({});
    await one.requireActive(id);
    expect(await ask(one, id)).toBe("ok");
    const nobody = "00000000-0000-4000-8000-0000000000ff";
    await expect(one.requireActive(nobody)).rejects.toMatchObject({ code: "api_key_invalid" });
    expect(await ask(one, nobody)).toBe("api_key_invalid");
  });

  test("without limits is counted, and what fails to be told is told later", async () => {
    const id = await tenant({});
    const one = await replica();
    expect((await one.admit(id)).headers).toEqual({});
    await many(10, () => ask(one, id));
    await database.pool.query("ALTER TABLE tenant_months RENAME TO away");
    await expect(one.report()).rejects.toMatchObject({ code: "database_failed" });
    await database.pool.query("ALTER TABLE away RENAME TO tenant_months");
    await one.report();
    await one.report();
    expect((await listMonths(database, id))[0]).toMatchObject({
      answered: 10n,
      inputBytes: 100n,
      outputBytes: 30n,
    });
  });
});
