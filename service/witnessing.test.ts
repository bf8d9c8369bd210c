import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openWitnessKey, startWitness, type RunningWitness } from "../client/witness/index.ts";
import {
  NOTE_TYPE_COSIGNATURE,
  parseNote,
  parseVerifierKey,
  verifyCheckpoint,
  verifyCosignatures,
  type NoteKey,
} from "../receipts/index.ts";
import { createTestDatabase, type TestDatabase } from "../test/postgres.ts";
import { startVault, type Vault } from "../vault/index.ts";
import { CheckpointFeed } from "./checkpoint-feed.ts";
import { checkpointStore } from "./checkpoint-store.ts";
import { Checkpoints } from "./checkpoints.ts";
import { parseConfig } from "./config.ts";
import { createWitnessing } from "./cosigned-store.ts";
import { bestCovering } from "./covering.ts";
import { appendItem } from "./db/arbitrary.test-support.ts";
import { createAppender, latestCheckpoint, LogTree, type Appender } from "./db/index.ts";
import { Witnessing, type WitnessingEvent } from "./witnessing.ts";

const ORIGIN = "log.example/affidavit";

const keyOf = ({ verifierKey }: RunningWitness) => parseVerifierKey(verifierKey, NOTE_TYPE_COSIGNATURE);

describe("witnessing", () => {
  const folder = mkdtempSync(join(tmpdir(), "affidavit-witnessing-"));
  const vaults: Vault[] = [];
  let database: TestDatabase;
  let appender: Appender;
  let tree: LogTree;
  let vault: Vault;
  let log: NoteKey;
  let one: RunningWitness;
  let two: RunningWitness;

  async function openVault(directory: string): Promise<Vault> {
    const opened = await startVault({ keyDirectory: directory, attestation: "simulated", log: () => {} });
    vaults.push(opened);
    const notAfterSeconds = BigInt(Math.floor(Date.now() / 1000)) + 3600n;
    await opened.installKeyset({ subject: null, notAfterSeconds, logOrigin: ORIGIN, tlsKeys: [] });
    return opened;
  }

  async function runWitness(name: string, port = 0): Promise<RunningWitness> {
    const stateDirectory = join(folder, name);
    const key = await openWitnessKey(join(folder, `${name}.key`), `witness.example/${name}`);
    return await startWitness({ key, logs: [log], stateDirectory, port });
  }

  function checkpointsWith(witnesses: RunningWitness[], events: WitnessingEvent[] = [], timeoutMs = 2000) {
    const witnessing = new Witnessing({
      witnesses: witnesses.map((witness) => ({ key: keyOf(witness), url: witness.url })),
      origin: ORIGIN,
      timeoutMs,
      consistencyProof: (first, second) => tree.consistencyProof(first, second),
      onLate: async () => {},
      onEvent: (event) => events.push(event),
    });
    return new Checkpoints(checkpointStore(database, tree, new CheckpointFeed()), witnessing);
  }

  const grow = (count: number) =>
    Promise.all(Array.from({ length: count }, () => appender.append(appendItem())));

  async function cosigners(): Promise<string[]> {
    const note = parseNote((await latestCheckpoint(database))!.note);
    return verifyCosignatures(note, [keyOf(one), keyOf(two)]).map(({ name }) => name);
  }

  beforeAll(async () => {
    database = await createTestDatabase();
    appender = createAppender({ connection: database.connection });
    tree = new LogTree(database.pool);
    vault = await openVault(join(folder, "vault"));
    log = { name: ORIGIN, publicKey: vault.info.logPublicKey };
    [one, two] = await Promise.all([runWitness("w1"), runWitness("w2")]);
  }, 60_000);
  afterAll(async () => {
    await Promise.all([
      one.close(),
      two.close(),
      appender.close(),
      ...vaults.map((opened) => opened.close()),
    ]);
    await database.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  test("stores checkpoints with the cosignatures of all that answer", async () => {
    const checkpoints = checkpointsWith([one, two]);
    await checkpoints.sign(vault);
    for (const count of [1, 5, 300]) {
      await grow(count);
      const { note } = await checkpoints.sign(vault);
      expect(verifyCheckpoint(note, log).size).toBe((await tree.head()).size);
      expect(await cosigners()).toEqual(["witness.example/w1", "witness.example/w2"]);
    }
  });

  test("a new process asks from where the witnesses are", async () => {
    await grow(3);
    await checkpointsWith([two]).sign(vault);
    await grow(4);
    await checkpointsWith([one, two]).sign(vault);
    expect(await cosigners()).toHaveLength(2);
  });

  test("one that is away is waited for once, and proofs lead to what is cosigned", async () => {
    const port = Number(new URL(two.url).port);
    const silent: Server = createServer(() => {});
    await two.close();
    await new Promise<void>((done) => silent.listen(port, "127.0.0.1", done));
    expect((silent.address() as AddressInfo).port).toBe(port);
    const events: WitnessingEvent[] = [];
    const witnessing = checkpointsWith([one, two], events, 300);
    await grow(1);
    const { size: gap } = await witnessing.sign(vault).then(() => tree.head());
    await grow(1);
    const started = performance.now();
    await witnessing.sign(vault);
    expect(performance.now() - started).toBeLessThan(250);
    expect(await cosigners()).toEqual(["witness.example/w1"]);
    silent.closeAllConnections();
    await new Promise((done) => silent.close(done));
    two = await runWitness("w2", port);
    await grow(1);
    await checkpointsWith([one, two]).sign(vault);
    const covering = await bestCovering(database, gap, 2);
    expect(covering!.size).toBe((await tree.head()).size);
    expect((await bestCovering(database, gap, 1))!.size).toBe(gap);
  }, 30_000);

  test("cosignatures that come late are stored, each once", async () => {
    const settings = [one, two].map(({ verifierKey, url }) => `${verifierKey} ${url}`).join(", ");
    const config = parseConfig({
      AFFIDAVIT_WITNESSES: settings,
      AFFIDAVIT_LOG_ORIGIN: ORIGIN,
      AFFIDAVIT_WITNESS_TIMEOUT_MS: "10",
    });
    await grow(1);
    await checkpointsWith([]).sign(vault);
    expect(await cosigners()).toEqual([]);
    const witnessing = createWitnessing(config, { database, tree, log: pino({ level: "silent" }) })!;
    const { note } = (await latestCheckpoint(database))!;
    witnessing.complete(note);
    await expect.poll(cosigners).toHaveLength(2);
    witnessing.complete((await latestCheckpoint(database))!.note);
    const stored = (await latestCheckpoint(database))!.note;
    expect(parseNote(stored).signatures).toHaveLength(3);
  });

  test("vault and database from old backups do not go on into another log", async () => {
    const old = join(folder, "old-vault");
    await vault.close();
    // Owners and modes too, as a backup keeps them.
    execFileSync("cp", ["-a", join(folder, "vault"), old]);
    vault = await openVault(join(folder, "vault"));
    const before = (await tree.head()).size;
    await grow(10);
    await checkpointsWith([one, two]).sign(vault);
    await vault.close();
    // The database as it was when the vault's folder was copied.
    const restored: Pick<LogTree, "head" | "consistencyProof"> = {
      head: async () => ({ size: before, root: await tree.root(before), epoch: 0n }),
      consistencyProof: (first, second) => tree.consistencyProof(first, second),
    };
    const restoredVault = await openVault(old);
    const store = { ...checkpointStore(database, tree, new CheckpointFeed()), head: restored.head };
    const witnesses = [one, two].map((witness) => ({ key: keyOf(witness), url: witness.url }));
    const options = { origin: ORIGIN, timeoutMs: 2000, onLate: async () => {}, onEvent: () => {} };
    const witnessing = new Witnessing({ ...options, witnesses, consistencyProof: restored.consistencyProof });
    await expect(new Checkpoints(store, witnessing).sign(restoredVault)).rejects.toMatchObject({
      code: "checkpoint_rollback",
      message: expect.stringContaining("restore the newer one or start a new log"),
    });
    await restoredVault.close();
    vault = await openVault(join(folder, "vault"));
  }, 30_000);

  test("a fork is told, and gets no cosignature", async () => {
    const events: WitnessingEvent[] = [];
    const held = (await latestCheckpoint(database))!;
    const witnessing = new Witnessing({
      witnesses: [{ key: keyOf(one), url: one.url }],
      origin: ORIGIN,
      timeoutMs: 2000,
      // What a log that changed its past would have to make up.
      consistencyProof: async (first) => (first === 0n ? [] : [new Uint8Array(32)]),
      onLate: async () => {},
      onEvent: (event) => events.push(event),
    });
    await grow(1);
    const { note } = await checkpointsWith([]).sign(vault);
    expect(await witnessing.cosign(note)).toBe(note);
    expect(events).toEqual([{ kind: "fork", witness: "witness.example/w1" }]);
    expect(held.size).toBe((await tree.head()).size - 1n);
  });
});

describe("the setting", () => {
  const key = "witness.example/w1+";
  test.each(["x", `${key}00000000+AAAA http://x`, "a b c", ",", "http://x"])(
    "refuses %j",
    (AFFIDAVIT_WITNESSES) => {
      expect(() => parseConfig({ AFFIDAVIT_WITNESSES })).toThrow(/1 to 16 different log witnesses/);
    },
  );
});
