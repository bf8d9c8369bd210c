import { randomBytes, randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { fromUtf8, hmacSha256, toHex, utf8 } from "../../codec/index.ts";
import { createTestDatabase, type TestDatabase } from "../../test/postgres.ts";
import { JobFailure } from "./error.ts";
import { vaultSeal } from "./payload-seal.ts";
import { JobQueue, MAX_PAYLOAD_BYTES, type JobHandler } from "./queue.ts";

const recordKey = randomBytes(32);
const seal = vaultSeal(() => ({ recordKey: async (context) => hmacSha256(recordKey, context) }));

let database: TestDatabase;
const open: JobQueue[] = [];
const unexpected: unknown[] = [];

async function start(): Promise<JobQueue> {
  const queue = await JobQueue.open({
    connection: database.connection,
    seal,
    onError: (error) => unexpected.push(error),
  });
  open.push(queue);
  return queue;
}

let queue: JobQueue;
/** What the worker of `prove` does with a job, by its payload. */
const handlers = new Map<string, JobHandler>();

beforeAll(async () => {
  database = await createTestDatabase();
  queue = await start();
  await queue.work("prove", 1, async (job) => await handlers.get(fromUtf8(job.payload))!(job));
});
afterAll(async () => {
  await Promise.all(open.map((each) => each.stop(1000)));
  await database.remove();
  expect(unexpected).toEqual([]);
});

async function send(handler: JobHandler, options: Parameters<JobQueue["send"]>[2] = {}): Promise<string> {
  const name = randomUUID();
  handlers.set(name, handler);
  return await queue.send("prove", utf8(name), options);
}

async function ended(id: string): Promise<string> {
  for (let tries = 0; tries < 200; tries++) {
    const { state } = (await queue.administration.find(id))!;
    if (state === "completed" || state === "failed" || state === "cancelled") return state;
    await sleep(50);
  }
  throw new Error("the job does not end");
}

describe("a job", () => {
  test("runs once, soon, with the payload that was sent", async () => {
    const ran: number[] = [];
    const sentAtMs = performance.now();
    const id = await send(async ({ retries }) => void ran.push(retries, performance.now() - sentAtMs));
    expect(await ended(id)).toBe("completed");
    expect(ran).toEqual([0, expect.any(Number)]);
    expect(ran[1]).toBeLessThan(1500);
  });

  test("is ciphertext in the database, bound to its id and kind", async () => {
    const payload = utf8("what a caller wanted kept");
    const id = await queue.send("settle", payload);
    const { rows } = await database.pool.query<{ row: string; data: { sealed: string } }>(
      "SELECT job::text AS row, data FROM affidavit_jobs.job WHERE id = $1",
      [id],
    );
    const sealed = Buffer.from(rows[0]!.data.sealed, "base64");
    expect(rows[0]!.row).not.toContain("kept");
    expect(sealed.includes("kept") || rows[0]!.row.includes(toHex(payload))).toBe(false);
    expect(Buffer.from(await seal.open("settle", id, sealed))).toEqual(Buffer.from(payload));
    const refused = { code: "payload_unreadable", retry: false };
    await expect(seal.open("settle", randomUUID(), sealed)).rejects.toMatchObject(refused);
    await expect(seal.open("prove", id, sealed)).rejects.toMatchObject(refused);
    sealed[20]! ^= 1;
    await expect(seal.open("settle", id, sealed)).rejects.toMatchObject(refused);
  });

  test("whose row was changed ends at once, and says so", async () => {
    const id = await send(async () => {}, { startAfterMs: 60_000 });
    await database.pool.query(
      `UPDATE affidavit_jobs.job SET data = '{"sealed":"AAAA"}', start_after = now() WHERE id = $1`,
      [id],
    );
    expect(await ended(id)).toBe("failed");
    expect(await queue.administration.find(id)).toMatchObject({ code: "payload_unreadable", retries: 0 });
  });

  test("that fails is tried again, later; one that cannot succeed is not", async () => {
    const tries: number[] = [];
    const again = await send(async ({ retries }) => {
      tries.push(retries);
      if (retries === 0) throw new JobFailure("prover_crashed", { retry: true });
    });
    const hopeless = await send(async () => {
      throw new JobFailure("circuit_unknown", { retry: false });
    });
    expect(await ended(again)).toBe("completed");
    expect(tries).toEqual([0, 1]);
    expect(await ended(hopeless)).toBe("failed");
    expect(await queue.administration.find(hopeless)).toMatchObject({ code: "circuit_unknown", retries: 0 });
  });

  test("that fails unforeseen stores nothing of the error", async () => {
    const id = await send(async () => {
      throw new Error("the caller's secret");
    });
    while (!(await queue.administration.find(id))!.code) await sleep(50);
    const { rows } = await database.pool.query<{ row: string; output: unknown }>(
      "SELECT job::text AS row, output FROM affidavit_jobs.job WHERE id = $1",
      [id],
    );
    expect(rows[0]!.output).toEqual({ code: "internal" });
    expect(rows[0]!.row).not.toContain("secret");
    await queue.administration.cancel(id);
  });

  test("exists exactly where the transaction that sent it was committed", async () => {
    const client = await database.pool.connect();
    const sendThen = async (end: "COMMIT" | "ROLLBACK") => {
      await client.query("BEGIN");
      const id = await queue.send("anchor", utf8("x"), { within: client });
      await client.query(end);
      return await queue.administration.find(id);
    };
    expect(await sendThen("ROLLBACK")).toBeUndefined();
    expect(await sendThen("COMMIT")).toMatchObject({ kind: "anchor", state: "created" });
    client.release();
  });

  test("with a higher priority goes first", async () => {
    const order: string[] = [];
    const held = Promise.withResolvers<void>();
    const first = await send(async () => await held.promise);
    while ((await queue.administration.find(first))!.state !== "active") await sleep(20);
    const low = await send(async () => void order.push("low"));
    const high = await send(async () => void order.push("high"), { priority: 5 });
    held.resolve();
    await Promise.all([first, low, high].map(ended));
    expect(order).toEqual(["high", "low"]);
  });

  test("that is too large is refused", async () => {
    await expect(queue.send("chain", new Uint8Array(MAX_PAYLOAD_BYTES + 1))).rejects.toMatchObject({
      code: "job_payload_too_large",
    });
  });
});

const groups = async () => {
  const own = await queue.send("reexecute", utf8("own"), { group: "own", startAfterMs: 60_000 });
  const other = await queue.send("reexecute", utf8("other"), { group: "other", startAfterMs: 60_000 });
  return { own, other };
};

const failing = (retry: boolean) => async () => {
  throw new JobFailure(retry ? "engine_crashed" : "output_invalid", { retry });
};

describe("a job taken by choice", () => {
  const seen: string[] = [];
  const note: JobHandler = async ({ payload }) => void seen.push(fromUtf8(payload));

  test("is none of the groups left to others, and may come before its time", async () => {
    const { own, other } = await groups();
    expect(await queue.takeOne("reexecute", {}, note)).toBe(false);
    expect(await queue.takeOne("reexecute", { without: ["own"], early: true }, note)).toBe(true);
    expect(await queue.takeOne("reexecute", { without: ["own"], early: true }, note)).toBe(false);
    expect([seen, await ended(other)]).toEqual([["other"], "completed"]);
    expect(await queue.takeOne("reexecute", { early: true }, note)).toBe(true);
    expect(await ended(own)).toBe("completed");
  });

  test("fails as those of other workers do: with tries left, or for good", async () => {
    const again = await queue.send("reexecute", utf8("x"));
    await queue.takeOne("reexecute", {}, failing(true));
    expect(await queue.administration.find(again)).toMatchObject({ state: "retry", code: "engine_crashed" });
    await queue.takeOne("reexecute", { early: true }, failing(false));
    expect(await queue.administration.find(again)).toMatchObject({ state: "failed", code: "output_invalid" });
  });

  test("is told to end when it is cancelled, wherever that was done", async () => {
    const other = await start();
    const id = await queue.send("reexecute", utf8("x"));
    let aborted = false;
    const run = queue.takeOne("reexecute", {}, async ({ signal }) => {
      await other.administration.cancel(id);
      await sleep(10_000, undefined, { signal }).catch(() => (aborted = true));
    });
    expect([await run, aborted, await ended(id)]).toEqual([true, true, "cancelled"]);
  });

  test("is worked on in the order of the choices, until the queue stops", async () => {
    const other = await start();
    seen.length = 0;
    await groups();
    other.workByChoice("reexecute", () => [{ without: ["own"], early: true }, { early: true }], note);
    while (seen.length < 2) await sleep(20);
    expect(seen).toEqual(["other", "own"]);
    await other.stop(1000);
    const left = await queue.send("reexecute", utf8("left"));
    await sleep(1200);
    expect((await queue.administration.find(left))!.state).toBe("created");
    await queue.administration.cancel(left);
  });
});

describe("an operator", () => {
  test("cancels a job that runs here, at once, and one that waits", async () => {
    let aborted = false;
    const running = await send(async ({ signal }) => {
      await sleep(60_000, undefined, { signal }).catch(() => (aborted = true));
    });
    const waiting = await send(async () => {}, { startAfterMs: 60_000 });
    while ((await queue.administration.find(running))!.state !== "active") await sleep(20);
    await queue.administration.cancel(running);
    await queue.administration.cancel(waiting);
    expect(aborted).toBe(true);
    expect([await ended(running), await ended(waiting)]).toEqual(["cancelled", "cancelled"]);
    await expect(queue.administration.cancel(waiting)).rejects.toMatchObject({ code: "job_ended" });
    await expect(queue.administration.cancel(randomUUID())).rejects.toMatchObject({ code: "job_not_found" });
  });

  test("lists what failed, and lets it try once more", async () => {
    let mended = false;
    const id = await send(async () => {
      if (!mended) throw new JobFailure("proving_key_missing", { retry: false });
    });
    await ended(id);
    const failed = await queue.administration.list({ kind: "prove", state: "failed", limit: 10 });
    expect(failed.map((job) => job.id)).toContain(id);
    mended = true;
    await queue.administration.retry(id);
    expect(await ended(id)).toBe("completed");
    await expect(queue.administration.retry(id)).rejects.toMatchObject({ code: "job_not_failed" });
  });
});

describe("a worker", () => {
  test("that stops gives its job to another one", async () => {
    const other = await start();
    const ran: string[] = [];
    await other.work("chain", 1, async ({ signal }) => {
      ran.push("first");
      await sleep(60_000, undefined, { signal }).catch(() => undefined);
      throw new JobFailure("stopped", { retry: true });
    });
    const id = await queue.send("chain", utf8("x"));
    while (ran.length === 0) await sleep(20);
    await other.stop(1000);
    await expect(other.send("chain", utf8("x"))).rejects.toMatchObject({ code: "jobs_closed" });
    await queue.work("chain", 1, async () => void ran.push("second"));
    expect(await ended(id)).toBe("completed");
    expect(ran).toEqual(["first", "second"]);
  });
});
