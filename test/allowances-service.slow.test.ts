/** Allowances against whole running services on one database, with the real addon: spent, refunded, and restored after crashes. */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, Pool } from "pg";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ownerSigner, ownerToText } from "../balances/index.ts";
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
const alice = ownerSigner("secp256k1", sha256(utf8("alice")));
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
