/**
 * The service killed in the middle of each kind of entry, several at once, at three places: computed and not signed, signed and not
 * logged, logged and not committed. Locks in the database hold the workers at the place until all are there.
 */
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import type { Client } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OPERATIONS, ownerToText, type OwnerSigner } from "../balances/index.ts";
import { ADDON, WITHOUT } from "../balances/testing/addon.ts";
import { toHex } from "../codec/index.ts";
import { decodeStatement, LEAF_TYPES } from "../receipts/index.ts";
import { BalancesClient, OPERATOR, owner, type Json } from "./balances-fixture.ts";
import { balancesCache, startSharedDatabase, type SharedDatabase } from "./balances-place.ts";
import { temporaryDirectory } from "./folder.ts";
import { startService, type RunningService } from "./service-process.ts";

const PLACES = ["computed", "signed", "logged"] as const;
type Place = (typeof PLACES)[number];
/** Namespaces of advisory locks, in which 1 holds what was asked for and 2 a transfer's arrival. */
const LOCKS = { computed: 71, signed: 72, logged: 73 };
const TABLES = { computed: "ledger_pending", signed: "statements", logged: "ledger_entries" };
const ASKED = 1;
const ARRIVAL = 2;

const credited = owner("credited");
const debited = owner("debited", "ed25519");
const frozen = owner("frozen");
const spender = owner("spender");
const depositor = owner("depositor", "ed25519");
const sender = owner("sender");
const receiver = owner("receiver");
const model = new Map(
  [credited, debited, frozen, spender, depositor, sender, receiver].map((by) => [by, 0n]),
);
let issued = 0n;

const folder = temporaryDirectory();
let database: SharedDatabase;
let store: Client;
let service: RunningService;
const client = new BalancesClient(() => service);

async function start(): Promise<void> {
  service = await startService({
    directory: folder.path,
    startTimeoutMs: 280_000,
    environment: {
      DATABASE_URL: database.url,
      AFFIDAVIT_BALANCES_OPERATOR: ownerToText(OPERATOR.owner),
      AFFIDAVIT_BALANCES_WORKERS: "3",
      AFFIDAVIT_CACHE_DIR: balancesCache(folder.path),
    },
  });
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + 200_000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`it does not come:\n${service.output().slice(-4000)}`);
    await sleep(50);
  }
}

async function count(from: string): Promise<number> {
  return Number((await store.query<{ n: string }>(`SELECT count(*) AS n FROM ${from}`)).rows[0]!.n);
}

/** A trigger at each place, which waits while somebody holds its lock. */
async function addTriggers(): Promise<void> {
  await store.query(`CREATE FUNCTION hold() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE arrives boolean;
    BEGIN
      IF TG_TABLE_NAME = 'statements' THEN arrives := get_byte(NEW.words, 95) = ${OPERATIONS.transferIn};
      ELSE arrives := NEW.operand::jsonb->>'operation' = 'transferIn'; END IF;
      PERFORM pg_advisory_xact_lock_shared(TG_ARGV[0]::int, CASE WHEN arrives THEN ${ARRIVAL} ELSE ${ASKED} END);
      RETURN NEW;
    END $$`);
  for (const place of PLACES) {
    const condition = place === "signed" ? `WHEN (NEW.type = ${LEAF_TYPES.LedgerEntry})` : "";
    await store.query(
      `CREATE TRIGGER hold BEFORE INSERT ON ${TABLES[place]} FOR EACH ROW ${condition} EXECUTE FUNCTION hold('${LOCKS[place]}')`,
    );
  }
}

const hold = (place: Place, kind: number) =>
  store.query("SELECT pg_advisory_lock($1, $2)", [LOCKS[place], kind]);
const waiting = (place: Place) =>
  count(`pg_locks WHERE locktype = 'advisory' AND classid = ${LOCKS[place]} AND NOT granted`);

/** Waits until so many entries are at the place that is held, then kills the service and what it had under way. */
async function killAt(place: Place, entries: number): Promise<void> {
  const holder = await database.connect();
  if (place === "computed") {
    await until(async () => (await waiting(place)) === entries);
    await holder.query("BEGIN");
    // Queues behind those that wait, and before what they do when they are stored: reading what the vault is to see.
    const locked = holder.query("LOCK TABLE ledger_blobs IN ACCESS EXCLUSIVE MODE");
    await until(async () => (await count("pg_locks WHERE mode = 'AccessExclusiveLock' AND NOT granted")) > 0);
    await store.query("SELECT pg_advisory_unlock_all()");
    await locked;
    expect(await count("ledger_pending")).toBe(entries);
    expect(await signedEntries()).toBe(0);
  } else if (place === "signed") {
    await until(async () => (await waiting(place)) === 1 && (await count("ledger_pending")) === entries);
    // The log takes one batch at a time: the others are signed behind it.
    await sleep(3000);
  } else await until(async () => (await waiting(place)) === entries);
  const exited = once(service.child, "exit");
  service.child.kill("SIGKILL");
  await exited;
  await store.query(
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name <> ''",
  );
  await holder.end();
  await store.query("SELECT pg_advisory_unlock_all()");
}

/** Entries that are in the log and not in the ledger. */
function signedEntries(): Promise<number> {
  return count(
    `statements WHERE type = ${LEAF_TYPES.LedgerEntry} AND digest NOT IN (SELECT digest FROM ledger_entries)`,
  );
}

interface Asked {
  by: OwnerSigner;
  asked: Json;
  sequence: bigint;
}

async function ask(by: OwnerSigner, body: object): Promise<Asked> {
  const sequence = BigInt((await client.account(by))["sequence"] as string);
  return { by, sequence, asked: await client.ask(by, body) };
}

async function done({ by, asked, sequence }: Asked): Promise<void> {
  const ended = await client.settled(by, asked);
  expect(ended).toMatchObject({ state: "done", sequence: (sequence + 1n).toString() });
  expect(ended["sufficient"] ?? true).toBe(true);
}

const add = (by: OwnerSigner, amount: bigint) => model.set(by, model.get(by)! + amount);

describe.skipIf(!ADDON)(`a service with encrypted balances that is killed${WITHOUT}`, () => {
  beforeAll(async () => {
    database = await startSharedDatabase();
    await start();
    store = await database.connect();
    await client.open(...model.keys());
    for (const by of [debited, spender, sender]) {
      expect(await client.run(by, await client.credit(by, 1000n))).toMatchObject({ state: "done" });
      add(by, 1000n);
      issued += 1000n;
    }
    await addTriggers();
  }, 300_000);
  afterAll(async () => {
    await service?.stop();
    await store?.end();
    await database?.remove();
    folder.remove();
  }, 60_000);

  it.each(PLACES)("%s: loses no entry and makes none twice, of each kind", async (place) => {
    await hold(place, ASKED);
    const clear = [
      await ask(credited, await client.credit(credited, 70n)),
      await ask(debited, await client.debit(debited, 30n)),
      await ask(frozen, await client.order(frozen, place === "signed" ? "unfreeze" : "freeze")),
    ];
    await killAt(place, clear.length);
    await start();
    for (const each of clear) await done(each);
    add(credited, 70n);
    add(debited, -30n);
    await hold(place, ASKED);
    const encrypted = [
      await ask(spender, await client.encrypted(spender, "privateDebit", 20n)),
      await ask(depositor, await client.deposit(depositor, 40n)),
      await ask(sender, await client.transfer(sender, receiver, 50n)),
    ];
    await killAt(place, encrypted.length);
    await hold(place, ARRIVAL);
    await start();
    for (const each of encrypted) await done(each);
    add(spender, -20n);
    add(depositor, 40n);
    add(sender, -50n);
    add(receiver, 50n);
    issued += 110n;
    const { sequence } = await client.account(receiver);
    await killAt(place, 1);
    await start();
    await until(async () => (await client.account(receiver))["sequence"] !== sequence);
    for (const [by, expected] of model) expect(await client.read(by)).toBe(expected);
    const { rows } = await store.query<{ issued: string }>("SELECT issued FROM ledger_supply");
    expect(BigInt(rows[0]!.issued)).toBe(issued);
  });

  it("has logged each entry of each account once", async () => {
    const { rows } = await store.query<{ words: Buffer }>("SELECT words FROM statements WHERE type = $1", [
      LEAF_TYPES.LedgerEntry,
    ]);
    const places = rows.map(({ words }) => {
      const { account, sequence } = decodeStatement("LedgerEntry", new Uint8Array(words));
      return `${toHex(account)} ${sequence}`;
    });
    expect(new Set(places).size).toBe(places.length);
    expect(await count("ledger_entries")).toBe(places.length);
    expect(await count("ledger_pending")).toBe(0);
  });
});
