/** A hostile database and a hostile worker against a running service: what they try is refused, logged, and changes nothing. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Pool } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  openEvaluator,
  ownerToText,
  prepareEntry,
  type Command,
  type Evaluator,
  type Homomorphic,
  type OwnerSigner,
} from "../balances/index.ts";
import { ADDON, WITHOUT } from "../balances/testing/addon.ts";
import { encodeStatement, LEAF_TYPES } from "../receipts/index.ts";
import { DEFAULT_TENANT, storePending } from "../service/db/index.ts";
import { commandOf, type Wish } from "../service/ledger/wish.ts";
import { readLedgerHead } from "../vault/index.ts";
import { BalancesClient, OPERATOR, owner, place } from "./balances-fixture.ts";
import { balancesCache } from "./balances-place.ts";
import { temporaryDirectory } from "./folder.ts";
import { startService, type RunningService } from "./service-process.ts";
import { openStore } from "./service-store.ts";

const alice = owner("alice");
const bob = owner("bob", "ed25519");
const folder = temporaryDirectory();
let service: RunningService;
let store: Pool;
let evaluator: Evaluator;
const client = new BalancesClient(() => service);

async function headOf(by: OwnerSigner): Promise<Buffer> {
  const sql = "SELECT head FROM ledger_accounts WHERE account = $1";
  return (await store.query<{ head: Buffer }>(sql, [Buffer.from(by.account)])).rows[0]!.head;
}

const setHead = (by: OwnerSigner, head: Uint8Array) =>
  store.query("UPDATE ledger_accounts SET head = $2 WHERE account = $1", [
    Buffer.from(by.account),
    Buffer.from(head),
  ]);

async function blob(digest: Uint8Array): Promise<Buffer> {
  const sql = "SELECT bytes FROM ledger_blobs WHERE digest = $1";
  return (await store.query<{ bytes: Buffer }>(sql, [Buffer.from(digest)])).rows[0]!.bytes;
}

const setBlob = (digest: Uint8Array, bytes: Uint8Array) =>
  store.query("UPDATE ledger_blobs SET bytes = $2 WHERE digest = $1", [
    Buffer.from(digest),
    Buffer.from(bytes),
  ]);

async function statements(type: keyof typeof LEAF_TYPES): Promise<number> {
  const sql = "SELECT count(*)::int AS n FROM statements WHERE type = $1";
  return (await store.query<{ n: number }>(sql, [LEAF_TYPES[type]])).rows[0]!.n;
}

/** The errors that the service logged since, by code. */
function loggedSince(mark: number): (string | undefined)[] {
  return service
    .output()
    .slice(mark)
    .split("\n")
    .filter((line) => line.startsWith('{"level":50') || line.includes('"level":"error"'))
    .map((line) => {
      const { code, err } = JSON.parse(line) as { code?: string; err?: { code?: string } };
      return code ?? err?.code;
    });
}

/** Of allowances: none is planted here. */
function unused(): never {
  throw new Error("unexpected");
}

/** An entry as a hostile worker leaves it: rightly signed for by the owner, wrongly computed. */
async function plant(by: OwnerSigner, wish: Wish, lie: Partial<Homomorphic>): Promise<void> {
  const state = readLedgerHead(new Uint8Array(await headOf(by)));
  const balance = new Uint8Array(await blob(state.balanceDigest));
  const context = { operator: OPERATOR.owner, serverKeyDigest: await client.serverKeyDigest() };
  const nowMs = BigInt(Date.now());
  const command: Command = await commandOf(wish, context, {
    nowMs,
    blob: async () => balance,
    allowance: unused,
    rest: unused,
  });
  const lying = Object.assign(Object.create(evaluator) as Evaluator, lie);
  const { entry, operandText, outcome } = await prepareEntry(state, balance, command, {
    context,
    evaluator: lying,
    nowMs,
  });
  const pending = {
    account: by.account,
    tenantId: DEFAULT_TENANT,
    words: encodeStatement("LedgerEntry", entry),
    operand: operandText,
    operationId: null,
  };
  const given = "proven" in command ? [command.proven] : [];
  const blobs = [outcome.balance, outcome.sufficient, outcome.taken, ...given].filter(
    (bytes) => bytes !== undefined,
  );
  const connection = await store.connect();
  await storePending(connection, pending, blobs);
  connection.release();
}

/** Whether another amount than the owner's is covered: a bit of the balance, in place of the answer. */
const comparing =
  (amount: bigint): Homomorphic["debitClear"] =>
  async (balance) => {
    const honest = await evaluator.debitClear(balance, 1n);
    return { ...honest, sufficient: (await evaluator.debitClear(balance, amount)).sufficient };
  };

const generous: Homomorphic["creditClear"] = (balance) => evaluator.creditClear(balance, 1_000_000n);

const anothers: Homomorphic["creditClear"] = async () =>
  new Uint8Array(await blob(readLedgerHead(new Uint8Array(await headOf(bob))).balanceDigest));

describe.skipIf(!ADDON)(`against a service with encrypted balances${WITHOUT}`, { timeout: 600_000 }, () => {
  beforeAll(async () => {
    service = await startService({
      directory: folder.path,
      startTimeoutMs: 280_000,
      environment: {
        AFFIDAVIT_BALANCES_OPERATOR: ownerToText(OPERATOR.owner),
        AFFIDAVIT_CACHE_DIR: balancesCache(folder.path),
      },
    });
    store = openStore(folder.path);
    await client.open(alice, bob);
    await client.run(alice, await client.credit(alice, 1000n));
    await client.run(bob, await client.credit(bob, 50n));
    const answer = await fetch(`${service.url}/v1/balances/keys/evaluation-key`);
    const evaluationKey = new Uint8Array(await answer.arrayBuffer());
    evaluator = await openEvaluator(ADDON!, { evaluationKey, ...(await client.publicKeys()) });
  }, 300_000);
  afterAll(async () => {
    await store?.end();
    await service?.stop();
    folder.remove();
  }, 60_000);

  it("a worker gets no bit of a balance as `sufficient`, and no other balance signed", async () => {
    const mine = await client.debit(alice, 1n);
    const openings = await statements("Opening");
    let sequence = BigInt((await client.account(alice))["sequence"] as string);
    for (const [name, wish, lie] of [
      ["whether another amount is covered, which it is not", mine, { debitClear: comparing(2048n) }],
      ["more than was credited", await client.credit(alice, 1n), { creditClear: generous }],
      ["another account's balance", await client.credit(alice, 1n), { creditClear: anothers }],
    ] as const) {
      const mark = service.output().length;
      await plant(alice, wish as Wish, lie);
      const honest = await client.run(alice, await client.credit(alice, 1n));
      expect(honest, name).toMatchObject({ state: "done", sequence: (++sequence).toString() });
      expect(loggedSince(mark), name).toEqual(["ledger_values_invalid"]);
    }
    expect(await statements("Opening")).toBe(openings);
    // Another comparison that has the true answer tells no more than the question that the owner asked.
    await plant(alice, mine as Wish, { debitClear: comparing(512n) });
    await client.run(alice, await client.credit(alice, 1n));
    expect(await client.read(alice)).toBe(1003n);
  });

  it("a database gets nothing for an older head, another account's, or one that it made", async () => {
    const old = await headOf(alice);
    await client.run(alice, await client.credit(alice, 1n));
    const newest = await headOf(alice);
    const made = newest.map((byte, i) => (i === newest.length - 1 ? byte ^ 1 : byte));
    const before = await client.account(alice);
    for (const [name, head, code] of [
      ["older", old, "ledger_sequence_taken"],
      ["another's", await headOf(bob), "ledger_head_invalid"],
      ["made", made, "ledger_head_invalid"],
    ] as const) {
      const mark = service.output().length;
      await setHead(alice, head);
      const { body } = await client.reading(alice);
      const read = await client.call("POST", `${place(alice)}/reading`, body);
      expect(read, name).toMatchObject({ refused: 500, code: `vault_${code}` });
      const asked = await client.ask(alice, await client.credit(alice, 1n));
      const entry = "refused" in asked ? asked : await client.settled(alice, asked);
      expect(entry["code"], name).toBe(`vault_${code}`);
      expect(loggedSince(mark), name).toEqual([code, code]);
      await setHead(alice, newest);
    }
    expect(await client.account(alice)).toEqual(before);
  });

  it("a database cannot swap ciphertexts, and an answered reading is not answered again", async () => {
    const [mine, bobs] = await Promise.all(
      [alice, bob].map(async (by) => readLedgerHead(new Uint8Array(await headOf(by))).balanceDigest),
    );
    const [myBytes, bobsBytes] = [await blob(mine!), await blob(bobs!)];
    await setBlob(mine!, bobsBytes);
    const mark = service.output().length;
    const { body } = await client.reading(alice);
    const swapped = await client.call("POST", `${place(alice)}/reading`, body);
    expect(swapped).toMatchObject({ refused: 500, code: "log_corrupt" });
    const asked = await client.ask(alice, await client.credit(alice, 1n));
    await sleep(1500);
    expect(await client.call("GET", `${place(alice)}/operations/${asked["id"] as string}`)).toMatchObject({
      state: "waiting",
    });
    expect(loggedSince(mark)).toContain("log_corrupt");
    await setBlob(mine!, myBytes);
    expect(await client.settled(alice, asked)).toMatchObject({ state: "done" });
    const openings = await statements("Opening");
    const fresh = await client.reading(alice);
    const path = `${place(alice)}/reading`;
    expect(await client.call("POST", path, fresh.body)).toMatchObject({
      reading: expect.any(String) as string,
    });
    expect(await client.call("POST", path, fresh.body)).toMatchObject({ code: "vault_opening_repeated" });
    expect(await statements("Opening")).toBe(openings + 1);
  });
});
