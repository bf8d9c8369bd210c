/** Two settling workers, processes of their own, on the database of a service that leaves the work to them. */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmodSync, cpSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { Client } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownerToText } from "../balances/index.ts";
import { ADDON, WITHOUT } from "../balances/testing/addon.ts";
import { BalancesClient, OPERATOR, owner, type Json } from "./balances-fixture.ts";
import { balancesCache, startSharedDatabase, type SharedDatabase } from "./balances-place.ts";
import { temporaryDirectory } from "./folder.ts";
import { startService, type RunningService } from "./service-process.ts";

const CLI = fileURLToPath(new URL("../client/cli/main.ts", import.meta.url));

const alice = owner("alice");
const bob = owner("bob", "ed25519");

const folder = temporaryDirectory();
let database: SharedDatabase;
let store: Client;
let service: RunningService;
let environment: Record<string, string>;
const workers: ChildProcess[] = [];
const client = new BalancesClient(() => service);

async function startWorker(name: string): Promise<ChildProcess> {
  const vault = join(folder.path, name);
  mkdirSync(vault, { mode: 0o700 });
  for (const file of ["cluster.keys", "last.checkpoint"]) {
    cpSync(join(folder.path, "vault", file), join(vault, file));
    chmodSync(join(vault, file), 0o600);
  }
  const child = spawn(process.execPath, [CLI, "worker", "--kind", "settle", "--json"], {
    env: {
      ...environment,
      PATH: process.env["PATH"],
      HOME: folder.path,
      AFFIDAVIT_VAULT_DIR: vault,
      AFFIDAVIT_DATA_DIR: join(folder.path, `${name}-data`),
      AFFIDAVIT_BALANCES_WORKERS: "1",
    },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const started = new Promise<void>((done, fail) => {
    for (const stream of [child.stdout!, child.stderr!])
      stream.setEncoding("utf8").on("data", (text: string) => {
        output = (output + text).slice(-100_000);
        if (output.includes('"kinds":["settle"]')) done();
      });
    child.once("exit", () => fail(new Error(`the worker did not start:\n${output}`)));
  });
  workers.push(child);
  await started;
  return child;
}

/** The service's program that the command runs. */
function programOf({ pid }: ChildProcess): number {
  const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  return Number(child);
}

interface Held {
  /** Both accounts at one time, by different connections. */
  together: number;
  /** Samples in which somebody waits for an account that another holds. */
  queued: number;
}

/** Looks at who holds and who waits for the two accounts, until `work` ends. */
async function watching(work: Promise<unknown>): Promise<Held> {
  const held: Held = { together: 0, queued: 0 };
  const ended = work.then(() => true);
  do {
    const { rows } = await store.query<{ granted: number; waiting: number }>(
      `SELECT count(DISTINCT l.objid) FILTER (WHERE l.granted)::int AS granted, count(*) FILTER (WHERE NOT l.granted)::int AS waiting
       FROM unnest($1::bytea[]) AS a(account), LATERAL hashtextextended(encode(a.account, 'hex'), 7) AS h(key)
       JOIN pg_locks l ON l.locktype = 'advisory' AND l.objsubid = 1
         AND l.classid::bigint = (h.key >> 32) & 4294967295 AND l.objid::bigint = h.key & 4294967295`,
      [[alice, bob].map(({ account }) => Buffer.from(account))],
    );
    if (rows[0]!.granted === 2) held.together++;
    if (rows[0]!.waiting > 0) held.queued++;
  } while (!(await Promise.race([ended, sleep(20, false)])));
  return held;
}

/** The keysets, one a vault, under which an account's entries were signed after the first ones. */
async function keysetsOf(by: typeof alice, after: number): Promise<string[]> {
  const { rows } = await store.query<{ keyset: string }>(
    `SELECT encode(s.keyset_digest, 'hex') AS keyset FROM ledger_entries e JOIN statements s ON s.digest = e.digest
     WHERE e.account = $1 AND e.sequence > $2 ORDER BY e.sequence`,
    [Buffer.from(by.account), after],
  );
  return rows.map(({ keyset }) => keyset);
}

describe.skipIf(!ADDON)(`two workers${WITHOUT}`, { timeout: 600_000 }, () => {
  beforeAll(async () => {
    database = await startSharedDatabase();
    environment = {
      DATABASE_URL: database.url,
      AFFIDAVIT_BALANCES_OPERATOR: ownerToText(OPERATOR.owner),
      AFFIDAVIT_CACHE_DIR: balancesCache(folder.path),
    };
    service = await startService({
      directory: folder.path,
      startTimeoutMs: 280_000,
      environment: { ...environment, AFFIDAVIT_BALANCES_WORKERS: "0" },
    });
    store = await database.connect();
    await client.open(alice, bob);
    await startWorker("first");
    await startWorker("second");
    const credited = await Promise.all(
      [alice, bob].map(async (by) => client.run(by, await client.credit(by, 100n))),
    );
    for (const operation of credited) expect(operation).toMatchObject({ state: "done", sequence: "2" });
  }, 300_000);
  afterAll(async () => {
    for (const worker of workers) worker.kill("SIGTERM");
    await Promise.all(workers.map((worker) => worker.exitCode === null && once(worker, "exit")));
    await service?.stop();
    await store?.end();
    await database?.remove();
    folder.remove();
  }, 60_000);

  it("work on two accounts side by side", async () => {
    const asked = async (by: typeof alice) => client.run(by, await client.debit(by, 10n));
    const held = await watching(
      (async () => {
        for (let i = 0; i < 3; i++)
          for (const operation of await Promise.all([asked(alice), asked(bob)]))
            expect(operation).toMatchObject({ state: "done", sufficient: true });
      })(),
    );
    expect(held.together).toBeGreaterThan(20);
    const keysets = await Promise.all([alice, bob].map((by) => keysetsOf(by, 2)));
    expect(new Set(keysets.flat()).size).toBe(2);
  });

  it("take two debits of one account one after the other", async () => {
    const next = await client.next(alice);
    const before = await client.account(alice);
    const bodies = [
      await client.debit(alice, 60n),
      await client.debit(alice, 60n, { requestSequence: next + 1n }),
    ];
    let ended: Json[] = [];
    const held = await watching(
      Promise.all(bodies.map((body) => client.run(alice, body))).then((all) => (ended = all)),
    );
    const first = BigInt(before["sequence"] as string) + 1n;
    expect(ended).toMatchObject([
      { state: "done", sequence: first.toString(), sufficient: true },
      { state: "done", sequence: (first + 1n).toString(), sufficient: false },
    ]);
    expect(held.queued).toBeGreaterThan(0);
    expect(await client.read(alice)).toBe(10n);
  });

  it("take over from one that is killed while it computes", async () => {
    const [first, second] = workers;
    second!.kill("SIGTERM");
    await once(second!, "exit");
    const asked = await client.ask(bob, await client.debit(bob, 10n));
    const active = "SELECT 1 FROM affidavit_jobs.job WHERE id = $1 AND state = 'active'";
    while (!(await store.query(active, [asked["id"]])).rowCount) await sleep(20);
    await sleep(300);
    process.kill(programOf(first!), "SIGKILL");
    await once(first!, "exit");
    await startWorker("third");
    expect(await client.settled(bob, asked)).toMatchObject({ state: "done", sufficient: true });
    expect(await client.read(bob)).toBe(60n);
  });
});
