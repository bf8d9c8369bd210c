/** Allowances against whole running services on one database, with the real addon: spent, refunded, and restored after crashes. */
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { Client, Pool } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownerSigner, ownerToText, verifyPriceList } from "../balances/index.ts";
import { ADDON, CACHE, WITHOUT } from "../balances/testing/addon.ts";
import { fromHex, sha256, toHex, utf8 } from "../codec/index.ts";
import {
  credit,
  ledgerOf,
  openAllowance,
  operator,
  OWNER_SEED,
  pay,
  PRICE,
  priceList,
  wanted,
} from "./allowance-owner.ts";
import { temporaryDirectory } from "./folder.ts";
import { startTestServer } from "./postgres.ts";
import { receiptIdOf, smallCall } from "./service-load.ts";
import { startService, type RunningService } from "./service-process.ts";

const CREDITS = 1_000n;
/** Distinctive: as bytes, hex or decimal it must be found nowhere outside the vault. */
const PLANTED = 3_740_129_845_611_203n;
const CLI = fileURLToPath(new URL("../client/cli/main.ts", import.meta.url));
const alice = ownerSigner("secp256k1", sha256(utf8("alice")));
const bob = ownerSigner("ed25519", sha256(utf8("bob")));
const mallory = ownerSigner("secp256k1", sha256(utf8("mallory")));

const folder = temporaryDirectory();
const directoryOf = (i: number) => join(folder.path, `replica-${i}`);
let server: Awaited<ReturnType<typeof startTestServer>>;
let pool: Pool;
let one: RunningService;
let two: RunningService;
/** What the balance must be. */
let model = CREDITS;

async function start(i: number): Promise<RunningService> {
  const { user, password, host, port } = server.administration;
  const place = `host=${encodeURIComponent(String(host))}&port=${port}`;
  const config = join(directoryOf(i), "config");
  mkdirSync(config, { recursive: true, mode: 0o711 });
  writeFileSync(join(config, "owner.key"), `${toHex(OWNER_SEED)}\n`, { mode: 0o600 });
  const prices = join(folder.path, "prices.json");
  writeFileSync(prices, `${priceList(1n)}\n`);
  return startService({
    directory: directoryOf(i),
    startTimeoutMs: 280_000,
    environment: {
      DATABASE_URL: `postgres://${user}:${encodeURIComponent(String(password))}@localhost/allowances?${place}`,
      AFFIDAVIT_BALANCES_OPERATOR: ownerToText(operator.owner),
      AFFIDAVIT_PRICES: prices,
      AFFIDAVIT_CACHE_DIR: CACHE,
      AFFIDAVIT_CHECKPOINT_INTERVAL_MS: "200",
    },
  });
}

async function kill(service: RunningService): Promise<void> {
  service.child.kill("SIGKILL");
  await new Promise((done) => service.child.once("exit", done));
}

const balance = async (at: RunningService) => (await ledgerOf(at).read(alice)).amountAtomic;
const refunded = (at: RunningService, id: string) => ledgerOf(at).allowanceIn("refunded", alice.account, id);

/** Each way in which the number could lie in a row's text. */
function spellings(amount: bigint): string[] {
  const big = Buffer.alloc(8);
  big.writeBigUInt64BE(amount);
  const little = Buffer.alloc(8);
  little.writeBigUInt64LE(amount);
  return [amount.toString(), big.toString("hex"), little.toString("hex")];
}

/** All that the database holds, bytes in hex. */
async function everyRow(): Promise<string[]> {
  const { rows: tables } = await pool.query<{ name: string }>(
    "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname IN ('public', 'affidavit_jobs')",
  );
  const texts: string[] = [];
  for (const { name } of tables) {
    const { rows } = await pool.query<{ text: string }>(`SELECT t::text AS text FROM ${name} AS t`);
    texts.push(...rows.map(({ text }) => text));
  }
  return texts;
}

/** The command's line for machines, whatever it exits with. */
async function command(words: string[]): Promise<Record<string, unknown>> {
  const environment = { AFFIDAVIT_URL: one.url, AFFIDAVIT_API_KEY: one.apiKey };
  const { stdout } = await promisify(execFile)(process.execPath, [CLI, ...words, "--json"], {
    env: { PATH: process.env["PATH"], HOME: folder.path, ...environment },
  }).catch((error: unknown) => error as { stdout: string });
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** Why the service refused. */
const code = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => Reflect.get(Object(error), "detail") as string,
  );

describe.skipIf(!ADDON)(`allowances${WITHOUT}`, { timeout: 300_000 }, () => {
  beforeAll(async () => {
    server = await startTestServer();
    const client = new Client(server.administration);
    await client.connect();
    await client.query("CREATE DATABASE allowances");
    await client.end();
    pool = new Pool({ ...server.administration, database: "allowances", max: 2 });
    one = await start(1);
    // One cluster: the second replica has the same cluster keys.
    mkdirSync(directoryOf(2), { recursive: true, mode: 0o711 });
    execFileSync("cp", ["-a", join(directoryOf(1), "vault"), join(directoryOf(2), "vault")]);
    two = await start(2);
    two.apiKey = one.apiKey;
    const ledger = ledgerOf(one);
    await ledger.open(alice.owner);
    await credit(ledger, alice, CREDITS);
  }, 300_000);
  afterAll(async () => {
    await one?.stop();
    await two?.stop();
    await pool?.end();
    await server?.remove();
    folder.remove();
  }, 60_000);

  it("are paid once, spent by inferences, and their rest comes back", async () => {
    const id = await openAllowance(one, alice, 10n);
    const paid = await Promise.all([pay(one, id), pay(one, id), pay(one, id)]);
    expect(paid.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect(await pay(one, id)).toMatchObject({ status: 402, code: "vault_allowance_insufficient" });
    expect(await pay(one, id)).toMatchObject({ status: 402, code: "vault_allowance_insufficient" });
    expect(await pay(two, id)).toMatchObject({ status: 409, code: "vault_allowance_elsewhere" });
    expect(await balance(two)).toBe(model - 10n);
    expect(await ledgerOf(one).closeAllowance(alice, id)).toMatchObject({ state: "closing" });
    expect(await pay(one, id)).toMatchObject({ status: 402, code: "allowance_closed" });
    expect(await refunded(one, id)).toMatchObject({ state: "refunded" });
    model -= 3n * PRICE;
    expect(await balance(one)).toBe(model);
    const { rows } = await pool.query(
      "SELECT DISTINCT length(spent) AS length FROM statements WHERE type = 1",
    );
    expect(rows).toEqual([{ length: 68 }]);
  });

  it("are opened once, by their owner's signature, at the prices in force, by the vault that they name", async () => {
    const ledger = ledgerOf(one);
    const asked = await wanted(one, alice, 20n);
    const old = { ...asked, priceList: sha256(utf8("another list")) };
    expect(await code(ledger.openAllowance(alice, old))).toBe("vault_price_list_stale");
    expect(await code(ledgerOf(two).openAllowance(alice, asked))).toBe("vault_allowance_elsewhere");
    const forged = { ...mallory, account: alice.account };
    expect(await code(ledger.openAllowance(forged, asked))).toBe("ledger_signature_invalid");
    // Too much: nothing is taken, and nothing can be spent.
    const { id } = await ledger.openAllowance(alice, { ...asked, credits: CREDITS });
    const refused = await ledger.allowanceIn("open", alice.account, id);
    expect(refused).toMatchObject({ state: "refused", code: "insufficient" });
    expect(await pay(one, id)).toMatchObject({ status: 402, code: "allowance_closed" });
    expect(await balance(one)).toBe(model);
  });

  it("are charged once a request that is repeated under its key", async () => {
    const id = await openAllowance(one, alice, 10n);
    const salt = new Uint8Array(32).fill(1);
    const { body } = smallCall("breast-cancer");
    const repeated = { idempotencyKey: "once", salt, body };
    const [first, again] = [await pay(one, id, repeated), await pay(one, id, repeated)];
    expect([first.status, receiptIdOf(again)]).toEqual([200, receiptIdOf(first)]);
    expect(
      await pay(
        one,
        id.replace(/.$/, (digit) => (digit === "0" ? "1" : "0")),
        repeated,
      ),
    ).toMatchObject({
      status: 422,
    });
    await ledgerOf(two).closeAllowance(alice, id);
    expect(await refunded(two, id)).toMatchObject({ state: "refunded" });
    model -= PRICE;
    expect(await balance(one)).toBe(model);
  });

  it("are restored from the log where the vault dies", async () => {
    const [spent, untouched] = [await openAllowance(one, alice, 100n), await openAllowance(one, alice, 50n)];
    for (let i = 0; i < 4; i++) expect((await pay(one, spent)).status).toBe(200);
    const [vault] = execFileSync("pgrep", ["-P", String(one.child.pid), "-f", "vault/main"])
      .toString()
      .trim()
      .split("\n");
    process.kill(Number(vault), "SIGKILL");
    await sleep(3000);
    expect((await pay(one, spent)).code).toMatch(/^(vault_allowance_elsewhere|allowance_closed)$/);
    for (const id of [spent, untouched]) expect(await refunded(one, id)).toMatchObject({ state: "refunded" });
    model -= 4n * PRICE;
    expect(await balance(one)).toBe(model);
  });

  it("are restored by another replica where the service is killed; not while a record is missing or another's", async () => {
    const id = await openAllowance(one, alice, 100n);
    const answers = [await pay(one, id), await pay(one, id)];
    const digests = answers.map((answer) => Buffer.from(fromHex(receiptIdOf(answer))));
    const { rows } = await pool.query<{ spent: Buffer }>(
      "SELECT spent FROM statements WHERE digest = ANY($1) ORDER BY leaf_index",
      [digests],
    );
    const records = rows.map(({ spent }) => spent);
    const put = (at: number, record: Buffer | null) =>
      pool.query("UPDATE statements SET spent = $2 WHERE digest = $1", [digests[at], record]);
    // The record of the first in the place of the second's would hide what the second took.
    await put(1, records[0]!);
    await kill(one);
    const ledger = ledgerOf(two);
    expect(await ledger.allowanceIn("frozen", alice.account, id)).toMatchObject({
      state: "frozen",
      code: "vault_restore_incomplete",
    });
    await put(1, null);
    await pool.query("UPDATE ledger_allowances SET retry_at = now()");
    await sleep(8000);
    expect(await ledger.allowance(alice.account, id)).toMatchObject({ state: "frozen" });
    await put(1, records[1]!);
    await pool.query("UPDATE ledger_allowances SET retry_at = now()");
    for (let i = 0; i < 200; i++) {
      if ((await ledger.allowance(alice.account, id)).state === "refunded") break;
      await sleep(200);
    }
    model -= 2n * PRICE;
    expect(await balance(two)).toBe(model);
    one = await start(1);
    two.apiKey = one.apiKey;
  });

  it("end with an answer that could not be stored, which costs nothing", async () => {
    const id = await openAllowance(two, alice, 100n);
    expect((await pay(two, id)).status).toBe(200);
    await pool.query("UPDATE ledger_allowances SET state = 'ended', retry_at = now() WHERE id = $1", [
      Buffer.from(fromHex(id)),
    ]);
    expect(await pay(two, id)).toMatchObject({ status: 402, code: "allowance_fenced" });
    expect(await pay(two, id)).toMatchObject({ status: 402, code: "allowance_closed" });
    expect(await refunded(two, id)).toMatchObject({ state: "refunded" });
    model -= PRICE;
    expect(await balance(two)).toBe(model);
  });

  it("say nowhere what they hold, nor what was spent", async () => {
    const ledger = ledgerOf(one);
    await ledger.open(bob.owner);
    await credit(ledger, bob, 2n * PLANTED);
    const id = await openAllowance(one, bob, PLANTED);
    for (let i = 0; i < 2; i++) expect((await pay(one, id)).status).toBe(200);
    await ledger.closeAllowance(bob, id);
    await ledger.allowanceIn("refunded", bob.account, id);
    expect((await ledger.read(bob)).amountAtomic).toBe(2n * PLANTED - 2n * PRICE);
    const rows = await everyRow();
    const told = [0n, 1n, 2n].flatMap((paid) => spellings(PLANTED - paid * PRICE));
    for (const text of [...rows, one.output(), two.output()])
      for (const spelling of told) expect(text.includes(spelling)).toBe(false);
    // The search finds what is there: a clear credit is public.
    expect(rows.some((row) => row.includes(String(2n * PLANTED)))).toBe(true);
  });

  it("are opened, spent, shown and closed by the command", async () => {
    const key = join(folder.path, "alice.key");
    writeFileSync(key, `secp256k1:${toHex(sha256(utf8("alice")))}\n`, { mode: 0o600 });
    const input = fileURLToPath(new URL("../models/zoo/breast-cancer/example.json", import.meta.url));
    const account = ["ledger", "account", "allowance"];
    const mine = ["--owner-key", key];
    const opened = await command([...account, "open", ...mine, "--credits", "50", "--allow-simulated"]);
    expect(opened).toMatchObject({ ok: true, state: "open" });
    const id = opened["id"] as string;
    const paid = ["--allowance", id, "--allow-simulated"];
    expect(await command(["infer", "breast-cancer", "--input", input, ...paid])).toMatchObject({ ok: true });
    expect(await command([...account, "show", ...mine, "--id", id])).toMatchObject({
      allowances: [{ id, state: "open" }],
    });
    expect(await command([...account, "close", ...mine, "--id", id])).toMatchObject({ state: "refunded" });
    model -= PRICE;
    expect(await balance(one)).toBe(model);
    expect(await command(["infer", "breast-cancer", "--input", input, ...paid])).toMatchObject({ ok: false });
    const [owner, list] = [join(directoryOf(1), "config", "owner.key"), join(folder.path, "list.json")];
    const signed = ["ledger", "prices", list, "--key", owner, "--list-version", "2"];
    expect(await command([...signed, "--price", "breast-cancer=4"])).toMatchObject({ ok: true, prices: 1 });
    expect([...verifyPriceList(readFileSync(list, "utf8").trim()).prices.values()]).toEqual([4n]);
  });

  it("are ended in order where their service is stopped", async () => {
    const id = await openAllowance(one, alice, 100n);
    expect((await pay(one, id)).status).toBe(200);
    await one.stop();
    expect(one.output()).not.toContain("fell silent");
    expect(await refunded(two, id)).toMatchObject({ state: "refunded" });
    model -= PRICE;
    expect(await balance(two)).toBe(model);
  });
});
