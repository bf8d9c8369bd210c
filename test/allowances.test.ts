/** Allowances on a real database and log, without FHE: opened, spent, lost, restored, and what hostile rows come to. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ed25519Owner, secp256k1Owner } from "../balances/testing/owners.ts";
import { AllowanceDesk, CALLER, PRICE, type Replica } from "./allowance-desk.ts";

const alice = secp256k1Owner("alice");
const mallory = ed25519Owner("mallory");
let desk: AllowanceDesk;
let one: Replica;
let two: Replica;
/** What the balance must be. */
let model = 1000n;

beforeAll(async () => {
  desk = await AllowanceDesk.open();
  one = await desk.replica();
  two = await desk.replica();
  await desk.fund(one, alice, model);
}, 60_000);
afterAll(() => desk.close());

const code = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => Reflect.get(Object(error), "code") as string,
  );

async function refund(at: Replica, ...ids: Uint8Array[]): Promise<void> {
  await desk.checkpoint();
  await desk.settle(at.parts);
  for (const id of ids) expect(await desk.stateOf(id)).toBe("refunded");
  expect(await desk.balance(alice)).toBe(model);
}

describe("an allowance", () => {
  it("is debited once, spent, and its rest comes back", async () => {
    const id = await desk.grant(one, alice, 10n, two);
    expect(await desk.balance(alice)).toBe(model - 10n);
    for (let i = 0; i < 3; i++) await desk.spend(one, id);
    expect(await code(desk.spend(one, id))).toBe("allowance_insufficient");
    expect(await code(desk.spend(one, id))).toBe("allowance_insufficient");
    expect(await desk.end(one, alice, id)).toMatchObject({ state: "closing" });
    expect(await code(desk.spend(one, id))).toBe("allowance_closed");
    model -= 3n * PRICE;
    await refund(two, id);
    expect(await code(desk.spend(one, id))).toBe("allowance_closed");
  });

  it("is spent at prices that the log states once, whichever vaults have them in force", async () => {
    await two.allowances.open(CALLER, alice.account, await desk.asked(two, alice, model + 1n));
    expect(await desk.settle(two.parts)).toEqual([null]);
    const { rows } = await desk.database.pool.query(
      `SELECT s.words, d.bytes FROM statements AS s JOIN documents AS d ON d.digest = substring(s.words FOR 32)
       WHERE s.type = 5`,
    );
    expect(rows.map(({ bytes }) => String(bytes))).toEqual([one.allowances.prices()]);
  });

  it("is its caller's, its vault's and its owner's", async () => {
    const asked = await desk.asked(one, alice, 10n);
    expect(await code(two.allowances.open(CALLER, alice.account, asked))).toBe("allowance_elsewhere");
    const forged = { ...asked, signature: mallory.sign(asked.request.account) };
    expect(await code(one.allowances.open(CALLER, alice.account, forged))).toBe("signature_invalid");
    const { id } = await one.allowances.open(CALLER, alice.account, asked);
    const again = await one.allowances.open(CALLER, alice.account, asked);
    expect(again).toMatchObject({ id, state: "waiting" });
    expect(await code(desk.spend(one, id))).toBe("allowance_waiting");
    expect(await desk.settle(two.parts)).toEqual([null]);
    expect(await code(desk.spend(two, id))).toBe("allowance_elsewhere");
    const stranger = { ...CALLER, accountId: "22222222-2222-4222-8222-222222222222" };
    expect(await code(one.allowances.hold(stranger, id, one.session, id))).toBe("allowance_not_found");
    expect(await code(desk.end(one, { ...mallory, account: alice.account }, id))).toBe("signature_invalid");
    // Asked for at another service, it is ended by the one that has it.
    expect(await desk.end(two, alice, id)).toMatchObject({ state: "open", closeAsked: true });
    await one.allowances.end(id);
    await refund(one, id);
  });

  it("that the balance does not cover takes nothing", async () => {
    const id = await desk.grant(one, alice, model + 1n);
    expect(await desk.stateOf(id)).toBe("refused");
    expect(await code(desk.spend(one, id))).toBe("allowance_closed");
    expect(await desk.balance(alice)).toBe(model);
  });

  it("whose debit an operator cancelled is refused", async () => {
    const asked = await desk.asked(one, alice, 10n);
    const { id, operationId } = await one.allowances.open(CALLER, alice.account, asked);
    desk.jobStates.set(operationId, { state: "cancelled", code: null });
    desk.dropJobs();
    expect(await one.allowances.find(CALLER, alice.account, id)).toMatchObject({
      state: "refused",
      code: "job_cancelled",
    });
    expect(await desk.balance(alice)).toBe(model);
  });

  it("ends with a statement that is not stored, by the log: that one costs nothing", async () => {
    const id = await desk.grant(one, alice, 100n);
    await desk.spend(one, id);
    await desk.spend(one, id, false);
    expect(await desk.stateOf(id)).toBe("ended");
    expect(await code(desk.spend(one, id))).toBe("allowance_closed");
    model -= PRICE;
    await refund(one, id);
  });

  it("ends with an answer that comes too late to be stored", async () => {
    const id = await desk.grant(one, alice, 100n);
    await desk.spend(one, id);
    await one.allowances.fence({ id, account: alice.account, tenantId: CALLER.tenantId });
    expect(await code(desk.spend(one, id))).toBe("allowance_fenced");
    model -= PRICE;
    await refund(two, id);
  });
});

describe("a restore", () => {
  it("gives back what the dead vault's statements left, of all its allowances, once", async () => {
    const dead = await desk.replica();
    const [spent, untouched] = [await desk.grant(dead, alice, 100n), await desk.grant(dead, alice, 50n)];
    for (let i = 0; i < 4; i++) await desk.spend(dead, spent);
    await Promise.all([desk.spend(one, await desk.grant(one, alice, 20n)), desk.spend(dead, spent)]);
    model -= 5n * PRICE + 20n;
    for (const id of [spent, untouched])
      await two.allowances.fence({ id, account: alice.account, tenantId: CALLER.tenantId });
    await refund(two, spent, untouched);
    // A second refund of the same, whatever the rows say.
    await desk.database.pool.query("UPDATE ledger_allowances SET state = 'open' WHERE id = $1", [spent]);
    await desk.database.pool.query("DELETE FROM ledger_used");
    await one.allowances.fence({ id: spent, account: alice.account, tenantId: CALLER.tenantId });
    await desk.checkpoint();
    expect(await desk.settle(one.parts)).not.toContain(null);
    expect(await desk.balance(alice)).toBe(model);
  });

  it.each<[string, string]>([
    ["missing", "NULL"],
    ["another statement's", "(SELECT spent FROM statements WHERE type = 1 ORDER BY leaf_index LIMIT 1)"],
  ])("freezes where a record is %s, until it is back", async (_, change) => {
    const dead = await desk.replica();
    const id = await desk.grant(dead, alice, 30n);
    await desk.spend(dead, id);
    await desk.spend(dead, id);
    const newest = "(SELECT max(leaf_index) FROM statements WHERE type = 1)";
    const { rows } = await desk.database.pool.query<{ spent: Buffer }>(
      `SELECT spent FROM statements WHERE leaf_index = ${newest}`,
    );
    await desk.database.pool.query(`UPDATE statements SET spent = ${change} WHERE leaf_index = ${newest}`);
    const allowance = { id, account: alice.account, tenantId: CALLER.tenantId };
    await two.allowances.fence(allowance);
    await desk.checkpoint();
    await desk.settle(two.parts);
    expect(await desk.stateOf(id)).toBe("frozen");
    expect(await desk.balance(alice)).toBe(model - 30n);
    await desk.database.pool.query(`UPDATE statements SET spent = $1 WHERE leaf_index = ${newest}`, [
      rows[0]!.spent,
    ]);
    await desk.refundAgain(allowance);
    model -= 2n * PRICE;
    await refund(two, id);
  });

  it("takes no rows that no vault wrote", async () => {
    const dead = await desk.replica();
    const [id, other] = [await desk.grant(dead, alice, 30n), await desk.grant(dead, alice, 40n)];
    await desk.spend(dead, id);
    // Another allowance's words in its place would give back more.
    await desk.database.pool.query(
      "UPDATE ledger_allowances SET sealed = (SELECT sealed FROM ledger_allowances WHERE id = $2) WHERE id = $1",
      [id, other],
    );
    await two.allowances.fence({ id, account: alice.account, tenantId: CALLER.tenantId });
    await desk.checkpoint();
    expect(await desk.settle(two.parts)).toEqual(["vault_ledger_refused"]);
    expect(await desk.balance(alice)).toBe(model - 70n);
  });
});
