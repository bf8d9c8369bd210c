/** Keysets under load, with a real vault and a real database: what signs is in the log, whatever fails in between. */
import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { createSimulatedAttester } from "../attestation/attest/index.ts";
import { toHex } from "../codec/index.ts";
import { parseKeyset, reportData } from "../receipts/index.ts";
import { temporaryDirectory } from "../test/folder.ts";
import { createTestDatabase } from "../test/postgres.ts";
import { auditLog } from "../test/service-store.ts";
import { processTree } from "../test/service-tree.ts";
import type { SealingRotation } from "../vault/index.ts";
import { inference } from "../vault/vault.test-support.ts";
import { CheckpointFeed } from "./checkpoint-feed.ts";
import { checkpointStore } from "./checkpoint-store.ts";
import { Checkpoints } from "./checkpoints.ts";
import { createAppender, DatabaseError, LogTree } from "./db/index.ts";
import { Keeper, type KeeperEvent } from "./keeper.ts";
import { ServiceError } from "./problem.ts";

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).toReversed()) await step();
});

type Append = ReturnType<typeof createAppender>["append"];

/** A keeper whose appends pass through `around`, and what happened in which order. */
async function setUp(options: {
  lifetimeMs: number;
  silenceMs?: number;
  tendMs?: number;
  sealing?: SealingRotation;
  around?: (append: Append) => Append;
}) {
  const folder = temporaryDirectory();
  undo.push(() => rmSync(folder.path, { recursive: true, force: true }));
  const database = await createTestDatabase();
  undo.push(() => database.remove());
  const appender = createAppender({ connection: database.connection });
  undo.push(() => appender.close());
  /** Keysets by digest, with when their statement was committed. */
  const logged = new Map<string, number>();
  const events: KeeperEvent[] = [];
  const append = options.around?.((item) => appender.append(item)) ?? ((item) => appender.append(item));
  const attester = createSimulatedAttester();
  const keeper = await Keeper.start({
    keyDirectory: join(folder.path, "keys"),
    attestation: "simulated",
    modelIds: [],
    subject: "test",
    logOrigin: "log.example",
    lifetimeMs: options.lifetimeMs,
    endorsements: () => attester.endorsements(new Date()),
    checkpoints: new Checkpoints(checkpointStore(database, new LogTree(database.pool), new CheckpointFeed())),
    appender: {
      async append(item) {
        const leafIndex = await append(item);
        logged.set(toHex(item.statement.keysetDigest), Date.now());
        return leafIndex;
      },
    },
    nowMs: Date.now,
    ...(options.silenceMs === undefined ? {} : { silenceMs: options.silenceMs }),
    ...(options.tendMs === undefined ? {} : { tendMs: options.tendMs }),
    sealing: options.sealing,
    onLine: () => {},
    onEvent: (event) => events.push(event),
  });
  undo.push(() => keeper.stop());
  return { keeper, database, appender, logged, events };
}

type SetUp = Awaited<ReturnType<typeof setUp>>;

/** Widens the time between a keyset's installation and its commit. */
const slowly =
  (append: Append): Append =>
  async (item) => {
    await sleep(60);
    return append(item);
  };

interface Signed {
  keysetDigest: string;
  issuedAtMs: number;
}

/** Callers who sign again and again until told to stop; what they were refused, by code. */
function load({ keeper }: SetUp, callers: number) {
  const signed: Signed[] = [];
  const refused = new Map<string, number>();
  const over = new AbortController();
  async function caller(): Promise<void> {
    while (!over.signal.aborted) {
      try {
        const session = keeper.holder.current();
        const statement = await session.sign(inference((await session.ticket()).requestId));
        const issuedAtMs = Number(Buffer.from(statement.words).readBigUInt64BE(15 * 32 + 24));
        signed.push({ keysetDigest: toHex(statement.keysetDigest), issuedAtMs });
        await sleep(2);
      } catch (error) {
        const { code } = error as { code: string };
        refused.set(code, (refused.get(code) ?? 0) + 1);
        await sleep(5);
      }
    }
  }
  const running = Array.from({ length: callers }, caller);
  const stop = async () => {
    over.abort();
    await Promise.all(running);
  };
  return { signed, refused, stop };
}

function expectAllLogged(signed: readonly Signed[], logged: ReadonlyMap<string, number>): void {
  const early = signed.filter(
    ({ keysetDigest, issuedAtMs }) => !(issuedAtMs >= (logged.get(keysetDigest) ?? Infinity)),
  );
  expect(early).toEqual([]);
}

test("renewed again and again under load, no statement is signed before its keyset is logged", async () => {
  const parts = await setUp({ lifetimeMs: 2000, around: slowly });
  const { signed, refused, stop } = load(parts, 16);
  const renewals = () => parts.events.filter(({ kind }) => kind === "renewed").length;
  await expect.poll(renewals, { timeout: 15_000 }).toBeGreaterThanOrEqual(3);
  await sleep(100);
  await stop();
  expect([...refused]).toEqual([]);
  expect(signed.length).toBeGreaterThan(100);
  expect(new Set(signed.map(({ keysetDigest }) => keysetDigest)).size).toBeGreaterThanOrEqual(4);
  expectAllLogged(signed, parts.logged);
  expect((await auditLog(parts.database.pool)).keysets).toBe(parts.logged.size);
});

test("where a renewal fails, the old keyset signs on and the next try succeeds", async () => {
  let appends = 0;
  const failing =
    (append: Append): Append =>
    (item) => {
      // The second and third: the first renewal and its first repetition.
      if (++appends === 2 || appends === 3) throw new DatabaseError("database_unavailable", "away");
      return append(item);
    };
  const parts = await setUp({ lifetimeMs: 8000, around: failing });
  const first = toHex(parts.keeper.holder.current().keyset.digest);
  const { signed, refused, stop } = load(parts, 8);
  const renewed = () => parts.events.some(({ kind }) => kind === "renewed");
  await expect
    .poll(() => parts.events.filter(({ kind }) => kind === "failed").length, { timeout: 12_000 })
    .toBe(2);
  const whenFailed = Date.now();
  await expect.poll(renewed, { timeout: 12_000 }).toBe(true);
  await sleep(50);
  await stop();
  expect([...refused]).toEqual([]);
  expectAllLogged(signed, parts.logged);
  expect(
    signed.some(({ keysetDigest, issuedAtMs }) => keysetDigest === first && issuedAtMs > whenFailed),
  ).toBe(true);
  expect(signed.some(({ keysetDigest }) => keysetDigest !== first)).toBe(true);
});

test("callers who ask for evidence without pause keep no keyset from being renewed, and get the logged one's", async () => {
  const parts = await setUp({ lifetimeMs: 3000, around: slowly });
  const over = new AbortController();
  const wrong: string[] = [];
  let served = 0;
  async function caller(): Promise<void> {
    while (!over.signal.aborted) {
      const nonce = randomBytes(32);
      try {
        const { keysetDigest, quote } = await parts.keeper.holder.current().quote(nonce);
        served++;
        const said = Buffer.from(reportData(keysetDigest, nonce));
        if (!parts.logged.has(toHex(keysetDigest)) || !Buffer.from(quote).includes(said)) {
          wrong.push(toHex(keysetDigest));
        }
      } catch (error) {
        expect(error).toMatchObject({ code: "quote_rate_limited" });
      }
      await sleep(5);
    }
  }
  const running = Array.from({ length: 16 }, caller);
  const renewals = () => parts.events.filter(({ kind }) => kind === "renewed").length;
  await expect.poll(renewals, { timeout: 20_000 }).toBeGreaterThanOrEqual(2);
  over.abort();
  await Promise.all(running);
  expect(parts.events.filter(({ kind }) => kind === "failed")).toEqual([]);
  expect(served).toBeGreaterThan(32);
  expect(wrong).toEqual([]);
});

test("where no keyset is left that the log holds, nothing is signed until one is", async () => {
  let away = false;
  const failing =
    (append: Append): Append =>
    (item) => {
      if (away) throw new DatabaseError("database_unavailable", "away");
      return append(item);
    };
  const parts = await setUp({ lifetimeMs: 2000, around: failing });
  away = true;
  const { signed, refused, stop } = load(parts, 8);
  await expect.poll(() => refused.get("session_unavailable") ?? 0, { timeout: 20_000 }).toBeGreaterThan(10);
  const then = signed.length;
  await sleep(300);
  expect(signed.length).toBe(then);
  away = false;
  await expect.poll(() => signed.length, { timeout: 10_000 }).toBeGreaterThan(then);
  await stop();
  expectAllLogged(signed, parts.logged);
  expect(["session_unavailable", "keyset_expired"]).toEqual(expect.arrayContaining([...refused.keys()]));
});

test("a vault that dies is replaced; in between callers are told, and the new keyset is logged first", async () => {
  const parts = await setUp({ lifetimeMs: 60_000 });
  const { keeper, events } = parts;
  const { signed, refused, stop } = load(parts, 8);
  for (let round = 1; round <= 2; round++) {
    const { vault } = keeper.holder.current();
    await expect.poll(() => signed.length, { timeout: 10_000 }).toBeGreaterThan(20 * round);
    process.kill(vault.pid, "SIGKILL");
    await vault.exited;
    await expect.poll(() => keeper.holder.peek(), { interval: 5 }).toBeUndefined();
    expect(() => keeper.holder.current()).toThrow(ServiceError);
    await expect.poll(() => keeper.holder.peek() !== undefined, { timeout: 20_000 }).toBe(true);
    const then = signed.length;
    await expect.poll(() => signed.length, { timeout: 10_000 }).toBeGreaterThan(then);
  }
  await stop();
  expectAllLogged(signed, parts.logged);
  expect(new Set(signed.map(({ keysetDigest }) => keysetDigest)).size).toBe(3);
  expect(events.map(({ kind }) => kind)).toEqual([
    "session",
    "vault_died",
    "session",
    "vault_died",
    "session",
  ]);
  expect(["vault_gone", "session_unavailable"]).toEqual(expect.arrayContaining([...refused.keys()]));
  expect((await auditLog(parts.database.pool)).keysets).toBe(3);
});

test("a vault that hangs is replaced, and what waited for it is told", async () => {
  const { keeper, events } = await setUp({ lifetimeMs: 60_000, silenceMs: 900 });
  const session = keeper.holder.current();
  process.kill(session.vault.pid, "SIGSTOP");
  await expect(session.sign(inference(new Uint8Array(32)))).rejects.toMatchObject({ code: "vault_gone" });
  await expect
    .poll(() => events.at(-1)?.kind === "session" && events.length > 1, { timeout: 20_000 })
    .toBe(true);
  const next = keeper.holder.current();
  expect(next).not.toBe(session);
  await next.sign(inference((await next.ticket()).requestId));
  expect(events.map(({ kind }) => kind)).toEqual(["session", "vault_silent", "vault_died", "session"]);
});

test("stopped while it starts a vault again, it leaves none behind", async () => {
  const { keeper, events } = await setUp({ lifetimeMs: 60_000 });
  const { vault } = keeper.holder.current();
  process.kill(vault.pid, "SIGKILL");
  await expect.poll(() => events.some(({ kind }) => kind === "vault_died"), { interval: 1 }).toBe(true);
  await sleep(80);
  await keeper.stop();
  expect(keeper.holder.peek()).toBeUndefined();
  expect(processTree(process.pid).filter(({ role }) => role === "vault")).toEqual([]);
  expect(events.map(({ kind }) => kind)).toEqual(["session", "vault_died"]);
});

function listedEpochs({ keeper }: SetUp): number[] {
  const { encryptionKeys } = parseKeyset(keeper.holder.current().keyset.text);
  return encryptionKeys.map(({ keyId }) => Number(keyId));
}

test("a rotated HPKE key is attested, logged and listed first under load, and the one before until its overlap ends", async () => {
  const sealing = { rotateAfterMs: 0, overlapMs: 1500 };
  const parts = await setUp({ lifetimeMs: 60_000, tendMs: 50, sealing, around: slowly });
  const { signed, refused, stop } = load(parts, 8);
  const rotated = await Promise.all([
    parts.keeper.tendSealingKeys("rotate"),
    parts.keeper.tendSealingKeys("rotate"),
  ]);
  expect(rotated.map((keys) => keys.map(({ epoch }) => epoch))).toEqual([
    [2, 1],
    [3, 2, 1],
  ]);
  expect(listedEpochs(parts)).toEqual([3, 2, 1]);
  const { digest, text } = parts.keeper.holder.current().keyset;
  expect(parts.logged.has(toHex(digest))).toBe(true);
  const [newest] = parseKeyset(text).encryptionKeys;
  expect(newest!.publicKey).toBe(toHex(rotated[1]![0]!.publicKey));
  await expect.poll(() => listedEpochs(parts), { timeout: 10_000 }).toEqual([3]);
  await stop();
  expect([...refused]).toEqual([]);
  expectAllLogged(signed, parts.logged);
});

test("an HPKE key that is old is followed by another by itself; a vault killed at any moment of it goes on with one that is listed", async () => {
  const sealing = { rotateAfterMs: 300, overlapMs: 60_000 };
  const parts = await setUp({ lifetimeMs: 60_000, tendMs: 20, sealing });
  const { keeper } = parts;
  await expect.poll(() => listedEpochs(parts)[0], { timeout: 10_000 }).toBe(2);
  for (const delayMs of [0, 3]) {
    const { vault } = keeper.holder.current();
    const rotating = keeper.tendSealingKeys("rotateAndEnd").then(
      () => "rotated",
      () => "failed",
    );
    await sleep(delayMs);
    process.kill(vault.pid, "SIGKILL");
    await Promise.all([rotating, vault.exited]);
    await expect
      .poll(() => keeper.holder.peek()?.vault !== vault && keeper.holder.peek() !== undefined, {
        timeout: 20_000,
      })
      .toBe(true);
    const held = (await keeper.tendSealingKeys("look")).map(({ epoch }) => epoch);
    expect(listedEpochs(parts)).toEqual(held);
  }
});
