/** `Idempotency-Key` against a whole service: one run, one receipt, one answer, whatever happens in between. */
import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Pool } from "pg";
import { sha256, toHex, utf8 } from "../codec/index.ts";
import { DEFAULT_TENANT } from "../service/db/index.ts";
import { temporaryDirectory } from "./folder.ts";
import { startService, type RunningService } from "./service-process.ts";
import {
  accountOf,
  checkReceipt,
  infer,
  keyHashOf,
  receiptIdOf,
  requestDigestOf,
  smallCall,
  type Answer,
  type Call,
  type Target,
} from "./service-load.ts";
import { appendWaits, auditLog, holdLog, openStore } from "./service-store.ts";
import { findRole } from "./service-tree.ts";

/** A lease lasts as long as these together, so that a dead holder's ends while a test waits. */
const environment = {
  AFFIDAVIT_REQUEST_TIMEOUT_MS: "3000",
  AFFIDAVIT_INFERENCE_TIMEOUT_MS: "1000",
  AFFIDAVIT_APPEND_TIMEOUT_MS: "1000",
  AFFIDAVIT_ENGINE_HOSTS: "1",
};
const folder = temporaryDirectory();
let service: RunningService;
let caller: Target;
let store: Pool;

async function start(): Promise<void> {
  service = await startService({ directory: folder.path, environment });
  // The first start's key goes on to work: a new one would be another account.
  caller = { url: service.url, apiKey: caller?.apiKey ?? service.apiKey };
  store ??= openStore(folder.path);
}

beforeAll(start);
afterAll(async () => {
  await store?.end();
  await service?.stop();
  folder.remove();
});

const keyed = (model: "breast-cancer" | "digits" = "breast-cancer"): Call & { idempotencyKey: string } => ({
  ...smallCall(model),
  idempotencyKey: randomUUID(),
});

async function statementsFor(call: Call): Promise<string[]> {
  const { inferences } = await auditLog(store);
  const wanted = requestDigestOf(call);
  return [...inferences].filter(([, { requestDigest }]) => requestDigest === wanted).map(([id]) => id);
}

/** What a replay must repeat. */
function essence({ status, headers, body }: Answer): unknown {
  const names = [
    "content-type",
    "affidavit-receipt",
    "affidavit-receipt-id",
    "affidavit-keyset",
    "affidavit-requester",
  ];
  return { status, body: toHex(body), headers: names.map((name) => headers.get(name)) };
}

async function addAccount(): Promise<Target & { accountId: string }> {
  const apiKey = `aff_${randomUUID()}`;
  const accountId = randomUUID();
  await store.query(
    `INSERT INTO api_keys (id, tenant_id, account_id, key_hash, prefix, label, scopes) VALUES ($1, $2, $3, $4, 'aff_', 'test', '{infer}')`,
    [randomUUID(), DEFAULT_TENANT, accountId, Buffer.from(sha256(utf8(apiKey)))],
  );
  return { url: service.url, apiKey, accountId };
}

async function reservedRow(call: { idempotencyKey: string }): Promise<boolean> {
  const { rowCount } = await store.query(
    "SELECT 1 FROM idempotency WHERE key_hash = $1 AND state = 'reserved'",
    [keyHashOf(call.idempotencyKey)],
  );
  return rowCount === 1;
}

test("a repetition gets the same bytes and the same receipt, and nothing runs again", async () => {
  const call = keyed();
  const first = await infer(caller, call);
  expect(first.status).toBe(200);
  expect(first.headers.get("idempotency-replayed")).toBeNull();
  for (let times = 0; times < 3; times++) {
    const again = await infer(caller, call);
    expect(essence(again)).toEqual(essence(first));
    expect(again.headers.get("idempotency-replayed")).toBe("true");
  }
  expect(await statementsFor(call)).toEqual([receiptIdOf(first)]);
  expect(await checkReceipt(caller, call, first)).toBeUndefined();
});

test("another body, salt or path under the same key is refused", async () => {
  const call = keyed();
  const first = await infer(caller, call);
  expect(first.status).toBe(200);
  const { body, salt } = keyed();
  for (const other of [
    { ...call, body },
    { ...call, salt },
    { ...call, model: "breast-cancer/versions/1.0.0" },
  ]) {
    expect(await infer(caller, other)).toMatchObject({ status: 422, code: "idempotency_conflict" });
  }
  expect(essence(await infer(caller, call))).toEqual(essence(first));
});

test("of many at once one runs; the others wait their turn or get its answer", async () => {
  const call = keyed();
  const answers = await Promise.all(Array.from({ length: 20 }, () => infer(caller, call)));
  const done = answers.filter(({ status }) => status === 200);
  expect(done.length).toBeGreaterThan(0);
  for (const answer of done) expect(essence(answer)).toEqual(essence(done[0]!));
  const refused = answers.filter(({ status }) => status !== 200);
  for (const { status, code } of refused) {
    expect({ status, code }).toEqual({ status: 409, code: "idempotency_in_progress" });
  }
  expect(await statementsFor(call)).toEqual([receiptIdOf(done[0]!)]);
});

test("a request that failed leaves its key free", async () => {
  const call = keyed();
  const broken = { ...call, body: utf8('{"inputs": []}') };
  expect((await infer(caller, broken)).status).toBe(400);
  expect((await infer(caller, call)).status).toBe(200);
});

test("an answer whose time is over is gone for good, and its receipt is named", async () => {
  const call = keyed();
  const first = await infer(caller, call);
  await store.query("UPDATE idempotency SET expires_at = now() - interval '1 second' WHERE key_hash = $1", [
    keyHashOf(call.idempotencyKey),
  ]);
  const late = await infer(caller, call);
  expect(late).toMatchObject({ status: 410, code: "idempotency_expired" });
  expect(JSON.parse(Buffer.from(late.body).toString())).toMatchObject({ receiptId: receiptIdOf(first) });
  expect(await checkReceipt(caller, call, first)).toBeUndefined();
  expect(await infer(caller, { ...call, body: keyed().body })).toMatchObject({ status: 422 });
});

test("the same key of two accounts names two requests, and their rows do not show that they are equal", async () => {
  const call = keyed();
  const other = await addAccount();
  const [mine, theirs] = [await infer(caller, call), await infer(other, call)];
  expect([mine.status, theirs.status]).toEqual([200, 200]);
  expect(receiptIdOf(theirs)).not.toBe(receiptIdOf(mine));
  expect(accountOf(theirs)).toBe(other.accountId);
  expect(essence(await infer(caller, call))).toEqual(essence(mine));
  const { rows } = await store.query<{ tag: Buffer }>("SELECT tag FROM idempotency WHERE key_hash = $1", [
    keyHashOf(call.idempotencyKey),
  ]);
  expect(new Set(rows.map(({ tag }) => toHex(tag))).size).toBe(2);
});

test("whoever holds the database can neither open a kept answer nor hand it to another account", async () => {
  const call = keyed();
  const other = await addAccount();
  const mine = await infer(caller, call);
  const theirs = await infer(other, call);
  const hash = keyHashOf(call.idempotencyKey);
  const { rows } = await store.query<{ ciphertext: Buffer; tag: Buffer }>(
    "SELECT ciphertext, tag FROM idempotency WHERE key_hash = $1 AND account_id = $2",
    [hash, accountOf(mine)],
  );
  const { ciphertext, tag } = rows[0]!;
  for (const plain of [mine.body, utf8(mine.headers.get("affidavit-receipt")!)]) {
    expect(ciphertext.includes(Buffer.from(plain))).toBe(false);
  }
  const put = (column: "ciphertext" | "tag", value: Buffer, account: string) =>
    store.query(`UPDATE idempotency SET ${column} = $1 WHERE key_hash = $2 AND account_id = $3`, [
      value,
      hash,
      account,
    ]);
  await put("ciphertext", ciphertext, accountOf(theirs));
  expect(await infer(other, call)).toMatchObject({ status: 500, code: "replay_unreadable" });
  await put("tag", tag, accountOf(theirs));
  expect(await infer(other, call)).toMatchObject({ status: 422, code: "idempotency_conflict" });
  for (const place of [0, 12, ciphertext.length - 1]) {
    const changed = Buffer.from(ciphertext);
    changed[place]! ^= 1;
    await put("ciphertext", changed, accountOf(mine));
    expect(await infer(caller, call)).toMatchObject({ status: 500, code: "replay_unreadable" });
  }
  await put("ciphertext", ciphertext.subarray(0, 20), accountOf(mine));
  expect(await infer(caller, call)).toMatchObject({ status: 500, code: "replay_unreadable" });
});

async function kill(): Promise<void> {
  const exited = new Promise((done) => service.child.once("exit", done));
  service.child.kill("SIGKILL");
  await exited;
}

test("a service killed during the run holds the key until its lease ends, and no longer; kept answers stay", async () => {
  const earlier = keyed("digits");
  const kept = await infer(caller, earlier);
  const call = keyed();
  process.kill(findRole(service.child.pid!, "host"), "SIGSTOP");
  const lost = infer(caller, call).catch(() => "no answer");
  await expect.poll(() => reservedRow(call)).toBe(true);
  await kill();
  expect(await lost).toBe("no answer");
  await start();
  expect(essence(await infer(caller, earlier))).toEqual(essence(kept));
  expect(await checkReceipt(caller, earlier, kept)).toBeUndefined();
  // However long the start took, the rest of the lease is ahead.
  await store.query(
    "UPDATE idempotency SET lease_expires_at = now() + interval '1500 ms' WHERE key_hash = $1",
    [keyHashOf(call.idempotencyKey)],
  );
  expect(await infer(caller, call)).toMatchObject({ status: 409, code: "idempotency_in_progress" });
  expect(await infer(caller, { ...call, body: keyed().body })).toMatchObject({ status: 422 });
  await expect
    .poll(async () => (await infer(caller, call)).status, { timeout: 10_000, interval: 100 })
    .toBe(200);
  expect(await statementsFor(call)).toHaveLength(1);
});

test("a service killed between the commit and the answer has completed the key", async () => {
  const call = keyed();
  const log = await holdLog(store);
  const lost = infer(caller, call).catch(() => "no answer");
  await expect.poll(() => appendWaits(store), { interval: 10 }).toBe(true);
  await kill();
  await log.release();
  expect(await lost).toBe("no answer");
  await expect.poll(() => reservedRow(call)).toBe(false);
  const [receiptId] = await statementsFor(call);
  await start();
  const replayed = await infer(caller, call);
  expect(replayed.status).toBe(200);
  expect(receiptIdOf(replayed)).toBe(receiptId);
  expect(await checkReceipt(caller, call, replayed)).toBeUndefined();
  expect(await statementsFor(call)).toHaveLength(1);
});
