/** What a caller who goes away leaves, at each point of the road: nothing before the engine answered, all of it after. */
import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import type { Pool } from "pg";
import {
  checkReceipt,
  infer,
  keyHashOf,
  receiptIdOf,
  requestDigestOf,
  smallCall,
  type Call,
} from "./service-load.ts";
import { startService, type RunningService } from "./service-process.ts";
import { appendWaits, auditLog, holdLog, openStore } from "./service-store.ts";
import { findRole } from "./service-tree.ts";

let service: RunningService;
let store: Pool;
let host: number;

beforeAll(async () => {
  service = await startService({ environment: { AFFIDAVIT_ENGINE_HOSTS: "1" } });
  store = openStore(service.directory);
  // The model is loaded before anything is measured by it.
  expect((await infer(service, smallCall("digits"))).status).toBe(200);
  host = findRole(service.child.pid!, "host");
});
afterEach(() => void process.kill(host, "SIGCONT"));
afterAll(async () => {
  await store?.end();
  await service?.stop();
});

type Keyed = Call & { idempotencyKey: string };
const keyed = (): Keyed => ({ ...smallCall("digits"), idempotencyKey: randomUUID() });

async function stateOf({ idempotencyKey }: Keyed): Promise<string> {
  const { rows } = await store.query<{ state: string }>("SELECT state FROM idempotency WHERE key_hash = $1", [
    keyHashOf(idempotencyKey),
  ]);
  return rows[0]?.state ?? "free";
}

async function statementsFor(call: Call): Promise<string[]> {
  const { inferences } = await auditLog(store);
  const wanted = requestDigestOf(call);
  return [...inferences].filter(([, { requestDigest }]) => requestDigest === wanted).map(([id]) => id);
}

/** Sends it and returns how its caller goes away. */
function begin(call: Call): { leave(): Promise<void> } {
  const caller = new AbortController();
  const outcome = infer(service, call, caller.signal).then(
    () => "answered",
    () => "gone",
  );
  return {
    async leave() {
      caller.abort();
      expect(await outcome).toBe("gone");
    },
  };
}

/** Requests that run, the one that asks among them. */
async function inFlight(): Promise<number> {
  const text = await (await fetch(`${service.url}/metrics`)).text();
  return Number(/^affidavit_http_in_flight ([0-9]+)/m.exec(text)![1]);
}

/** That nothing is left of the call, and that it can be made again under its key. */
async function expectNothingLeft(call: Keyed): Promise<void> {
  await expect.poll(() => stateOf(call)).toBe("free");
  process.kill(host, "SIGCONT");
  expect(await statementsFor(call)).toEqual([]);
  const again = await infer(service, call);
  expect(again.status).toBe(200);
  expect(await statementsFor(call)).toEqual([receiptIdOf(again)]);
}

test("while the engine runs it: no statement, and the key is free", async () => {
  const call = keyed();
  process.kill(host, "SIGSTOP");
  const { leave } = begin(call);
  await expect.poll(() => stateOf(call)).toBe("reserved");
  await leave();
  await expectNothingLeft(call);
});

test("while it waits behind others: no statement, the key is free, and the others get theirs", async () => {
  process.kill(host, "SIGSTOP");
  const others = Array.from({ length: 12 }, keyed);
  const answers = others.map((other) => infer(service, other));
  const call = keyed();
  await expect.poll(async () => (await Promise.all(others.map(stateOf))).includes("free")).toBe(false);
  const { leave } = begin(call);
  await expect.poll(() => stateOf(call)).toBe("reserved");
  await leave();
  await expectNothingLeft(call);
  for (const [index, answer] of (await Promise.all(answers)).entries()) {
    expect(answer.status).toBe(200);
    expect(await checkReceipt(service, others[index]!, answer)).toBeUndefined();
  }
});

test("before its body has come whole: nothing was begun", async () => {
  const call = keyed();
  const before = await inFlight();
  const caller = new AbortController();
  const body = new ReadableStream({
    start: (stream) => stream.enqueue(call.body.subarray(0, 10)),
  });
  const sent = fetch(`${service.url}/v2/models/digits/infer`, {
    method: "POST",
    headers: {
      authorization: `Bearer ${service.apiKey}`,
      "content-type": "application/json",
      "idempotency-key": call.idempotencyKey,
    },
    body,
    duplex: "half",
    signal: caller.signal,
  } as RequestInit).catch(() => "gone");
  await expect.poll(inFlight).toBe(before + 1);
  caller.abort();
  expect(await sent).toBe("gone");
  await expect.poll(inFlight).toBe(before);
  await expectNothingLeft(call);
});

test("after it was signed: the answer is kept, and the key replays it", async () => {
  const call = keyed();
  const log = await holdLog(store);
  const { leave } = begin(call);
  await expect.poll(() => appendWaits(store), { interval: 10 }).toBe(true);
  await leave();
  expect(await stateOf(call)).toBe("reserved");
  await log.release();
  await expect.poll(() => stateOf(call)).toBe("done");
  const stored = await statementsFor(call);
  expect(stored).toHaveLength(1);
  const replayed = await infer(service, call);
  expect(receiptIdOf(replayed)).toBe(stored[0]);
  expect(await checkReceipt(service, call, replayed)).toBeUndefined();
  expect(await statementsFor(call)).toEqual(stored);
});

test("a hundred callers who leave at once leave nothing behind and slow nobody down", async () => {
  process.kill(host, "SIGSTOP");
  const calls = Array.from({ length: 100 }, keyed);
  const leaving = calls.map(begin);
  await expect
    .poll(async () => (await Promise.all(calls.slice(-3).map(stateOf))).includes("free"))
    .toBe(false);
  await Promise.all(leaving.map(({ leave }) => leave()));
  const free = async () => (await Promise.all(calls.map(stateOf))).every((state) => state === "free");
  await expect.poll(free, { timeout: 5000 }).toBe(true);
  process.kill(host, "SIGCONT");
  const { inferences } = await auditLog(store);
  const stored = new Set([...inferences.values()].map(({ requestDigest }) => requestDigest));
  expect(calls.filter((call) => stored.has(requestDigestOf(call)))).toEqual([]);
  expect((await infer(service, keyed())).status).toBe(200);
});
