/** The ledger's writer on plain numbers: crashes, a hostile worker and database, two workers. The slow suite does it encrypted. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Homomorphic } from "../balances/index.ts";
import { ed25519Owner, secp256k1Owner } from "../balances/testing/owners.ts";
import { sha256, toHex0x, utf8 } from "../codec/index.ts";
import { endLedgerOperation, findLedgerAccount, findLedgerOperation } from "../service/db/index.ts";
import type { WriterParts } from "../service/ledger/writer.ts";
import { runDesk } from "./ledger-model.ts";
import { Crash, LedgerDesk, plainEngine } from "./ledger-writer.ts";

const alice = secp256k1Owner("alice");
const bob = ed25519Owner("bob");
const carol = secp256k1Owner("carol");

let desk: LedgerDesk;
beforeAll(async () => {
  desk = await LedgerDesk.open(plainEngine());
  for (const by of [alice, bob, carol]) await desk.begin(by);
  await desk.run(alice, desk.credit(alice, 1000n));
});
afterAll(() => desk.close());

/** A worker whose computations are not what they should be. */
async function lying(lie: Partial<Homomorphic>): Promise<WriterParts> {
  const parts = await desk.worker("hostile");
  const honest = await parts.evaluator();
  return {
    ...parts,
    evaluator: async () => ({ ...honest, execution: honest.execution, ...lie }) as typeof honest,
  };
}

async function onlyJob(): Promise<{ id: string; payload: Uint8Array }> {
  expect(desk.jobs).toHaveLength(1);
  return desk.jobs.shift()!;
}

describe("the ledger's writer", () => {
  it("keeps balances equal to plain numbers, falling over at each point of each kind", async () => {
    const fresh = await LedgerDesk.open(plainEngine());
    const owners = [alice, bob, carol];
    for (const by of owners) await fresh.begin(by);
    const { crashes } = await runDesk(fresh, { owners, operations: 30, seed: 1 });
    expect(new Set(Object.values(crashes))).toEqual(new Set([1]));
    await fresh.close();
  }, 120_000);

  it("takes an owner's request once, in order, in time, and for what was proven", async () => {
    const before = await desk.state(alice);
    const refusals = async () => ({
      replayed: await desk.debit(alice, 1n, { requestSequence: 0n }),
      expired: await desk.debit(alice, 1n, { expiresAtMs: BigInt(desk.nowMs) }),
      "too far": await desk.debit(alice, 1n, { expiresAtMs: BigInt(desk.nowMs + 25 * 3_600_000) }),
      "another account's": await desk.debit(alice, 1n, { account: bob.account }),
      "another key's": await desk.debit(alice, 1n, { serverKeyDigest: sha256(utf8("other")) }),
      "a proof for another operation": {
        ...(await desk.privateDebit(alice, 1n)),
        ...(await desk.encrypted(alice, "transferOut", 1n, { operation: 5 })),
        operation: "privateDebit" as const,
      },
      "a proof for another request": {
        operation: "privateDebit" as const,
        ...(await desk.encrypted(bob, "privateDebit", 1n)),
        ...(await desk.request(alice, "privateDebit", { operandDigest: sha256(utf8("proven")) })),
      },
      "another amount than the voucher's": await desk.deposit(alice, 5n, 6n),
      "more than there may be": desk.credit(alice, 2n ** 63n - 1n),
    });
    const codes: Record<string, string | null> = {};
    for (const [name, wish] of Object.entries(await refusals())) {
      const row = await desk.run(alice, wish);
      expect(row.state, name).toBe("refused");
      codes[name] = row.code;
    }
    expect(codes).toEqual({
      replayed: "ledger_request_replayed",
      expired: "ledger_request_expired",
      "too far": "ledger_request_expiry_too_far",
      "another account's": "ledger_account_mismatch",
      "another key's": "ledger_server_key_mismatch",
      "a proof for another operation": "ledger_proof_invalid",
      "a proof for another request": "ledger_operand_mismatch",
      "another amount than the voucher's": "vault_ledger_values_invalid",
      "more than there may be": "ledger_supply_overflow",
    });
    expect(await desk.state(alice)).toEqual(before);
    expect(await desk.balance(alice)).toBe(1000n);
  });

  it("leaves a request that came too late undone, and the account goes on", async () => {
    const { sequence } = await desk.state(bob);
    await desk.ask(bob, desk.credit(bob, 7n));
    const job = await onlyJob();
    desk.crashAt = "pending";
    await expect(desk.work(job, await desk.worker("vault"))).rejects.toThrow(Crash);
    desk.nowMs += 3_600_000;
    const later = desk.credit(bob, 3n);
    expect(await desk.run(bob, later)).toMatchObject({ state: "done", sequence: sequence + 1n });
    await desk.work(job, await desk.worker("vault"));
    expect(await findLedgerOperation(desk.database, job.id)).toMatchObject({
      state: "refused",
      code: "ledger_order_expired",
    });
    expect(await desk.balance(bob)).toBe(3n);
    expect(desk.log.at(-1)).toMatchObject({ code: "statement_invalid", account: toHex0x(bob.account) });
  });
});

describe("an operation", () => {
  it("whose job was cancelled, or cannot be read, ends, and is not carried out later", async () => {
    const before = await desk.state(carol);
    for (const [state, code] of [
      ["cancelled", null],
      ["failed", "payload_unreadable"],
      ["active", null],
    ] as const) {
      const id = await desk.ask(carol, desk.credit(carol, 1n));
      const job = await onlyJob();
      const ledger = await desk.served({ state, code });
      const ended = { state: "failed", code: code ?? "job_cancelled" };
      const seen = await ledger.operation(desk.account, carol.account, id);
      expect(seen).toMatchObject(state === "active" ? { state: "waiting" } : ended);
      if (state === "active") continue;
      await desk.work(job, await desk.worker("vault"));
      expect(await ledger.operation(desk.account, carol.account, id)).toMatchObject(ended);
    }
    expect(await desk.state(carol)).toEqual(before);
  });
});

describe("a hostile worker", () => {
  it("gets no bit of a balance opened, and no balance of its own signed", async () => {
    const honest = desk.engine.evaluator;
    const debitClear: Homomorphic["debitClear"] = async (balance, amount) => ({
      ...(await honest.debitClear(balance, amount)),
      sufficient: (await honest.debitClear(balance, 4096n)).sufficient,
    });
    const creditClear: Homomorphic["creditClear"] = (balance, amount) =>
      honest.creditClear(balance, amount + 1n);
    const before = await desk.state(alice);
    for (const [lie, wish] of [
      [{ debitClear }, await desk.debit(alice, 1n)],
      [{ creditClear }, desk.credit(alice, 1n)],
    ] as const) {
      const id = await desk.ask(alice, wish);
      await desk.work(await onlyJob(), await lying(lie));
      const refused = { state: "refused", code: "vault_ledger_values_invalid" };
      expect(await findLedgerOperation(desk.database, id)).toMatchObject(refused);
      expect(desk.log.at(-1)).toMatchObject({ code: "ledger_values_invalid" });
    }
    expect(await desk.state(alice)).toEqual(before);
  });

  it("leaves nothing behind that an honest one would finish, or stumble over", async () => {
    const creditClear: Homomorphic["creditClear"] = (balance) =>
      desk.engine.evaluator.creditClear(balance, 9999n);
    await desk.ask(alice, desk.credit(alice, 1n));
    const planted = await onlyJob();
    desk.crashAt = "pending";
    await expect(desk.work(planted, await lying({ creditClear }))).rejects.toThrow(Crash);
    // It never comes back.
    await endLedgerOperation(desk.database, planted.id, { state: "failed", code: "internal" });
    const { sequence } = await desk.state(alice);
    expect(await desk.run(alice, await desk.debit(alice, 10n))).toMatchObject({
      state: "done",
      sequence: sequence + 1n,
      sufficient: true,
    });
    expect(desk.log.at(-1)).toMatchObject({ code: "ledger_values_invalid", account: toHex0x(alice.account) });
    expect(await desk.balance(alice)).toBe(990n);
  });
});

const setHead = (account: Uint8Array, head: Uint8Array) =>
  desk.database.pool.query("UPDATE ledger_accounts SET head = $2 WHERE account = $1", [
    Buffer.from(account),
    Buffer.from(head),
  ]);
const headOf = async (account: Uint8Array) => (await findLedgerAccount(desk.database, account))!.head;

describe("a hostile database", () => {
  it("cannot put back an older head, another account's, or one of its own", async () => {
    const old = await headOf(alice.account);
    await desk.run(alice, desk.credit(alice, 1n));
    const newest = await headOf(alice.account);
    const forged = newest.map((byte, i) => (i === 40 ? byte ^ 1 : byte));
    const changed = newest.map((byte, i) => (i === newest.length - 1 ? byte ^ 1 : byte));
    for (const [head, code] of [
      [old, "ledger_sequence_taken"],
      [await headOf(bob.account), "ledger_head_invalid"],
      [forged, "ledger_head_invalid"],
      [changed, "ledger_head_invalid"],
    ] as const) {
      await setHead(alice.account, head);
      expect(await desk.run(alice, desk.credit(alice, 5n))).toMatchObject({
        state: "refused",
        code: `vault_${code}`,
      });
      expect(desk.log.at(-1)).toMatchObject({ code });
    }
    await setHead(alice.account, newest);
    expect(await desk.run(alice, desk.credit(alice, 5n))).toMatchObject({ state: "done" });
    expect(await desk.balance(alice)).toBe(996n);
  });

  it("cannot swap ciphertexts between accounts", async () => {
    const { rows } = await desk.database.pool.query<{ bytes: Buffer }>(
      "SELECT bytes FROM ledger_blobs WHERE digest = $1",
      [Buffer.from((await desk.state(bob)).balanceDigest)],
    );
    const { balanceDigest } = await desk.state(alice);
    const mine = desk.database.pool.query<{ bytes: Buffer }>(
      "SELECT bytes FROM ledger_blobs WHERE digest = $1",
      [Buffer.from(balanceDigest)],
    );
    const set = (bytes: Buffer) =>
      desk.database.pool.query("UPDATE ledger_blobs SET bytes = $2 WHERE digest = $1", [
        Buffer.from(balanceDigest),
        bytes,
      ]);
    const own = (await mine).rows[0]!.bytes;
    await set(rows[0]!.bytes);
    await desk.ask(alice, desk.credit(alice, 5n));
    const job = await onlyJob();
    await expect(desk.work(job, await desk.worker("vault"))).rejects.toMatchObject({ code: "log_corrupt" });
    await set(own);
    await desk.work(job, await desk.worker("vault"));
    expect(await findLedgerOperation(desk.database, job.id)).toMatchObject({ state: "done" });
  });

  it("cannot let a transfer arrive twice, elsewhere, or with more than was sent", async () => {
    const id = await desk.ask(alice, await desk.transfer(alice, carol, 100n));
    await desk.work(await onlyJob(), await desk.worker("vault"));
    expect(await findLedgerOperation(desk.database, id)).toMatchObject({ state: "done", sufficient: true });
    const arrival = await onlyJob();
    await desk.work(arrival, await desk.worker("vault"));
    expect(await desk.balance(carol)).toBe(100n);
    // As a queue that gives it out again, and forgets that it is done.
    const again = async (forget: string) => {
      await desk.database.pool.query(forget);
      await desk.database.pool.query("UPDATE ledger_operations SET state = 'waiting' WHERE id = $1", [
        arrival.id,
      ]);
      await desk.work(arrival, await desk.worker("vault"));
      return findLedgerOperation(desk.database, arrival.id);
    };
    expect(await again("SELECT")).toMatchObject({ state: "refused", code: "ledger_transfer_received" });
    expect(await again("DELETE FROM ledger_used WHERE name LIKE 'transfer:%'")).toMatchObject({
      state: "refused",
      code: "vault_ledger_refused",
    });
    expect(await desk.balance(carol)).toBe(100n);
  });
});

/** How many of an account's operations are computed at a time, and of all. */
async function watched(name: string, seen: { now: number; most: number }): Promise<WriterParts> {
  const parts = await desk.worker(name);
  const honest = await parts.evaluator();
  const debitClear: Homomorphic["debitClear"] = async (balance, amount) => {
    seen.most = Math.max(seen.most, ++seen.now);
    await sleep(300);
    seen.now--;
    return honest.debitClear(balance, amount);
  };
  return {
    ...parts,
    evaluator: async () => ({ ...honest, execution: honest.execution, debitClear }) as typeof honest,
  };
}

describe("two workers on one database", () => {
  it("make one account's entries one after the other, and two accounts' side by side", async () => {
    const before = await desk.balance(alice);
    const seen = { now: 0, most: 0 };
    const workers = [await watched("vault", seen), await watched("other vault", seen)];
    const requestSequence = (await desk.state(alice)).requestSequence + 1n;
    for (const [i, amount] of [3n, 4n].entries())
      await desk.ask(
        alice,
        await desk.debit(alice, amount, { requestSequence: requestSequence + BigInt(i) }),
      );
    const persist = (parts: WriterParts[]) =>
      Promise.all(desk.jobs.splice(0).map((job, i) => desk.persist(job, parts[i]!)));
    await persist(workers);
    expect(seen.most).toBe(1);
    expect(await desk.balance(alice)).toBe(before - 7n);
    for (const by of [alice, carol]) await desk.ask(by, await desk.debit(by, 1n));
    await persist(workers);
    expect(seen.most).toBe(2);
    expect(await desk.balance(alice)).toBe(before - 8n);
  });
});
