/** Encrypted balances against a whole running service, with the real addon: every operation, what is refused, a kill, a planted number. */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownerToText, proveAmountInNode } from "../balances/index.ts";
import { ADDON, WITHOUT } from "../balances/testing/addon.ts";
import { sha256, toHex, utf8 } from "../codec/index.ts";
import { BalancesClient, OPERATOR, owner } from "./balances-fixture.ts";
import { balancesCache } from "./balances-place.ts";
import { temporaryDirectory } from "./folder.ts";
import { startService, type RunningService } from "./service-process.ts";
import { openStore } from "./service-store.ts";

/** Distinctive: as bytes, hex or decimal they must be found nowhere outside the vault. A balance, and a private amount. */
const PLANTED = 7_340_129_845_611_203n;
const PRIVATE = 5_118_204_377_902_661n;
const SMALL = 1_000_003n;

const alice = owner("alice");
const bob = owner("bob", "ed25519");
const carol = owner("carol");

const folder = temporaryDirectory();
let service: RunningService;
let outputs = "";
const client = new BalancesClient(() => service);

async function start(): Promise<void> {
  service = await startService({
    directory: folder.path,
    startTimeoutMs: 280_000,
    environment: {
      AFFIDAVIT_BALANCES_OPERATOR: ownerToText(OPERATOR.owner),
      AFFIDAVIT_CACHE_DIR: balancesCache(folder.path),
      AFFIDAVIT_LOG_LEVEL: "debug",
    },
  });
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}

/** Each way in which a number could lie about. */
function spellings(amount: bigint): Buffer[] {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(amount);
  const little = Buffer.alloc(8);
  little.writeBigUInt64LE(amount);
  const texts = [amount.toString(), bytes.toString("hex"), bytes.toString("base64").slice(0, 10)];
  return [bytes, little, ...texts.map((text) => Buffer.from(text))];
}

function found(searched: readonly Uint8Array[], wanted: Buffer): boolean {
  return searched.some(({ buffer, byteOffset, length }) =>
    Buffer.from(buffer, byteOffset, length).includes(wanted),
  );
}

/** In any row of any table: a file may hold it compressed. */
async function tablesWith(text: string): Promise<string[]> {
  const store = openStore(folder.path);
  try {
    const { rows } = await store.query<{ name: string }>(
      `SELECT quote_ident(table_schema) || '.' || quote_ident(table_name) AS name FROM information_schema.tables
       WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')`,
    );
    const holding: string[] = [];
    for (const { name } of rows) {
      const sql = `SELECT 1 FROM ${name} AS row WHERE row::text LIKE $1 LIMIT 1`;
      if ((await store.query(sql, [`%${text}%`])).rowCount) holding.push(name);
    }
    return holding;
  } finally {
    await store.end();
  }
}

describe.skipIf(!ADDON)(`encrypted balances${WITHOUT}`, { timeout: 600_000 }, () => {
  beforeAll(async () => {
    await start();
    await client.open(alice, bob, carol);
  }, 300_000);
  afterAll(async () => {
    await service?.stop();
    folder.remove();
  }, 60_000);

  it("are credited, debited and read; two debits of one account come one after the other", async () => {
    expect(await client.run(alice, await client.credit(alice, 2n * SMALL))).toMatchObject({
      state: "done",
      sequence: "2",
    });
    const asked = [
      await client.ask(alice, await client.debit(alice, 2n * SMALL, { requestSequence: 2n })),
      await client.ask(alice, await client.debit(alice, SMALL, { requestSequence: 1n })),
    ];
    const [second, first] = await Promise.all(asked.map((operation) => client.settled(alice, operation)));
    expect(first).toMatchObject({ state: "done", sequence: "3", sufficient: true });
    expect(second).toMatchObject({ state: "done", sequence: "4", sufficient: false });
    expect(await client.read(alice)).toBe(SMALL);
  });

  it("take deposits, private debits and transfers of encrypted amounts, also of node-tfhe's", async () => {
    const done = { state: "done" };
    expect(await client.run(carol, await client.deposit(carol, 500n))).toMatchObject(done);
    const requestSequence = await client.next(carol);
    const proven = await proveAmountInNode({
      ...(await client.publicKeys()),
      amountAtomic: 120n,
      metadata: await client.metadata(carol, "privateDebit", requestSequence),
    });
    const debited = await client.encrypted(carol, "privateDebit", 120n, { proven, requestSequence });
    expect(await client.run(carol, debited)).toMatchObject({ ...done, sufficient: true });
    const uncovered = await client.encrypted(carol, "privateDebit", 381n);
    expect(await client.run(carol, uncovered)).toMatchObject({ ...done, sufficient: false });
    const { sequence } = await client.account(alice);
    expect(await client.run(carol, await client.transfer(carol, alice, 80n))).toMatchObject({
      ...done,
      sufficient: true,
    });
    while ((await client.account(alice))["sequence"] === sequence) await sleep(200);
    expect([await client.read(carol), await client.read(alice)]).toEqual([300n, SMALL + 80n]);
  });

  it("are frozen and unfrozen by the operator alone; a frozen account receives and gives nothing", async () => {
    const forged = await client.order(carol, "freeze", {}, alice);
    expect(await client.run(carol, forged)).toMatchObject({ code: "ledger_signature_invalid" });
    expect(await client.run(carol, await client.order(carol, "freeze"))).toMatchObject({ state: "done" });
    expect(await client.account(carol)).toMatchObject({ frozen: true });
    const refused = { state: "refused", code: "ledger_account_frozen" };
    expect(await client.run(carol, await client.debit(carol, 1n))).toMatchObject(refused);
    expect(await client.run(carol, await client.transfer(carol, bob, 1n))).toMatchObject(refused);
    expect(await client.run(carol, await client.credit(carol, 1n))).toMatchObject({ state: "done" });
    expect(await client.run(carol, await client.order(carol, "freeze"))).toMatchObject({
      code: "ledger_operation_invalid",
    });
    expect(await client.run(carol, await client.order(carol, "unfreeze"))).toMatchObject({ state: "done" });
    expect(await client.run(carol, await client.debit(carol, 1n))).toMatchObject({ sufficient: true });
    expect(await client.read(carol)).toBe(300n);
  });

  it("refuse what is replayed, late, forged, of another account, or no ciphertext, and stay as they were", async () => {
    const before = await client.account(alice);
    const next = await client.next(alice);
    const reference = sha256(utf8("used"));
    await client.run(bob, await client.credit(bob, 1n, reference));
    const bobs = await client.prove(bob, "privateDebit", 1n, next);
    const later = await client.prove(alice, "privateDebit", 1n, next + 1n);
    const trivial = new Uint8Array(bobs).fill(0, 200, bobs.length - 200);
    const cases: Record<string, [object, string]> = {
      "a request again": [
        await client.debit(alice, 1n, { requestSequence: next - 1n }),
        "ledger_request_replayed",
      ],
      "a request that ended": [
        await client.debit(alice, 1n, { expiresAtMs: BigInt(Date.now() - 1) }),
        "ledger_request_expired",
      ],
      "a request that never comes due": [
        await client.debit(alice, 1n, {
          requestSequence: next + 5n,
          expiresAtMs: BigInt(Date.now() + 4000),
        }),
        "ledger_request_expired",
      ],
      "another account's request": [await client.debit(bob, 1n), "ledger_account_mismatch"],
      "another's signature": [
        { ...(await client.debit(alice, 1n)), signature: (await client.debit(bob, 1n)).signature },
        "ledger_signature_invalid",
      ],
      "a proof for another account": [
        await client.encrypted(alice, "privateDebit", 1n, { proven: bobs }),
        "ledger_proof_invalid",
      ],
      "a proof for another request": [
        await client.encrypted(alice, "privateDebit", 1n, { proven: later }),
        "ledger_proof_invalid",
      ],
      "a ciphertext that hides nothing": [
        await client.encrypted(alice, "privateDebit", 1n, { proven: trivial }),
        "ledger_proof_invalid",
      ],
      "no ciphertext": [
        await client.encrypted(alice, "privateDebit", 1n, { proven: utf8("none") }),
        "ledger_proof_invalid",
      ],
      "a deposit of less than its voucher": [
        await client.deposit(alice, 5n, 6n),
        "vault_ledger_values_invalid",
      ],
      "a reference again": [await client.credit(alice, 1n, reference), "ledger_reference_used"],
      "more than a balance can hold": [await client.credit(alice, 2n ** 63n - 1n), "ledger_supply_overflow"],
      "a transfer to nobody": [await client.transfer(alice, owner("nobody"), 1n), "ledger_account_unknown"],
      "a transfer to oneself": [await client.transfer(alice, alice, 1n), "ledger_request_invalid"],
    };
    const codes: Record<string, unknown> = {};
    for (const [name, [body]] of Object.entries(cases)) codes[name] = (await client.run(alice, body))["code"];
    const expected = Object.entries(cases).map(([name, [, code]]) => [name, code]);
    expect(codes).toEqual(Object.fromEntries(expected));
    expect(await client.account(alice)).toEqual(before);
    expect(await client.read(alice)).toBe(SMALL + 80n);
  });

  it("lose nothing where the service is killed in the middle, and do nothing twice", async () => {
    const reference = sha256(utf8("planted"));
    const balance = await client.read(bob);
    const credit = await client.credit(bob, PLANTED - PRIVATE - balance, reference);
    const asked = await client.ask(bob, credit);
    await sleep(1500);
    outputs += service.output();
    service.child.kill("SIGKILL");
    await new Promise((done) => service.child.once("exit", done));
    await start();
    expect(await client.settled(bob, asked)).toMatchObject({ state: "done" });
    const again = await client.run(bob, await client.credit(bob, 1n, reference));
    expect(again).toMatchObject({ state: "refused", code: "ledger_reference_used" });
  });

  it("are found nowhere: not the balance, not the amount that went to it", async () => {
    const { sequence } = await client.account(bob);
    await client.run(alice, await client.credit(alice, 2n ** 53n));
    const left = await client.run(alice, await client.transfer(alice, bob, PRIVATE));
    expect(left).toMatchObject({ state: "done", sufficient: true });
    while ((await client.account(bob))["sequence"] === sequence) await sleep(200);
    expect(await client.read(bob)).toBe(PLANTED);
    const clear = PLANTED - PRIVATE - 1n;
    for (const amount of [PLANTED, PRIVATE])
      for (const text of [amount.toString(), amount.toString(16).padStart(16, "0")])
        expect(await tablesWith(text), text).toEqual([]);
    expect(await tablesWith(clear.toString())).toContain("public.ledger_entries");
    outputs += service.output();
    await service.stop();
    const searched: Uint8Array[] = ["data", "vault", "config"]
      .flatMap((name) => filesBelow(join(folder.path, name)))
      .filter((path) => statSync(path).size > 0)
      .map((path) => readFileSync(path));
    searched.push(...client.captured, Buffer.from(outputs));
    for (const spelling of [PLANTED, PRIVATE].flatMap(spellings))
      expect(found(searched, spelling), toHex(spelling)).toBe(false);
    // The search finds what is there: a clear credit is public, in each kind of place.
    const wanted = Buffer.from(clear.toString());
    expect(found(client.captured, wanted)).toBe(true);
    expect(found(searched.slice(0, -client.captured.length - 1), wanted)).toBe(true);
  });
});
