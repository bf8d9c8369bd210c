/**
 * Two replicas of the service on one PostgreSQL under load: killed at random, cosigned by a log witness, followed by a
 * monitor; then the database comes back from an older snapshot.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client, Pool } from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { httpSource, monitorRound, newState, type MonitorState } from "../client/monitor/index.ts";
import { openWitnessKey, startWitness, type RunningWitness } from "../client/witness/index.ts";
import {
  NOTE_TYPE_COSIGNATURE,
  parseAttestation,
  parseKeyset,
  parseNote,
  parseVerifierKey,
  verifyCosignatures,
  type NoteKey,
} from "../receipts/index.ts";
import { temporaryDirectory } from "./folder.ts";
import { startTestServer } from "./postgres.ts";
import { infer, receiptIdOf, seededRandom, smallCall } from "./service-load.ts";
import { startService, type RunningService } from "./service-process.ts";
import { auditLog } from "./service-store.ts";

const SEED = Number(process.env["REPLICAS_SEED"] ?? 1);
const DATABASE = "replicas";
const SNAPSHOT = "replicas_snapshot";
const KILLS = 4;
const WORKERS = 6;

/** Nobody may be connected to a database that is copied or renamed. */
const emptied = (database: string) => [
  `ALTER DATABASE ${database} ALLOW_CONNECTIONS false`,
  `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}'`,
];

describe("two replicas", () => {
  const random = seededRandom(SEED);
  const folder = temporaryDirectory();
  const replicas: (RunningService | undefined)[] = [undefined, undefined];
  const acknowledged = new Set<string>();
  let server: Awaited<ReturnType<typeof startTestServer>>;
  let witness: RunningWitness;
  let log: NoteKey;
  let monitored: MonitorState;

  const directoryOf = (i: number) => join(folder.path, `replica-${i}`);

  async function administer(...statements: string[]): Promise<void> {
    const client = new Client(server.administration);
    await client.connect();
    for (const statement of statements) await client.query(statement);
    await client.end();
  }

  async function start(i: number, vault?: string): Promise<RunningService> {
    const { user, password, host, port } = server.administration;
    const place = `host=${encodeURIComponent(String(host))}&port=${port}`;
    const environment: Record<string, string> = {
      DATABASE_URL: `postgres://${user}:${encodeURIComponent(String(password))}@localhost/${DATABASE}?${place}`,
      AFFIDAVIT_CHECKPOINT_INTERVAL_MS: "200",
      ...(witness && { AFFIDAVIT_WITNESSES: `${witness.verifierKey} ${witness.url}` }),
      ...(vault && { AFFIDAVIT_VAULT_DIR: vault }),
    };
    mkdirSync(directoryOf(i), { recursive: true, mode: 0o711 });
    return await startService({ directory: directoryOf(i), environment });
  }

  function openPool(): Pool {
    const pool = new Pool({ ...server.administration, database: DATABASE, max: 2 });
    pool.on("error", () => {});
    return pool;
  }

  /** Inferences at whichever replica is up, until told to stop; what fails was not acknowledged. */
  async function load(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const target = replicas[random() < 0.5 ? 0 : 1];
      if (!target) {
        await sleep(20);
        continue;
      }
      try {
        const answer = await infer(target, smallCall("breast-cancer", random));
        if (answer.status === 200) acknowledged.add(receiptIdOf(answer));
        else await sleep(20);
      } catch {
        await sleep(20);
      }
    }
  }

  async function killAndRestart(i: number): Promise<void> {
    const victim = replicas[i]!;
    replicas[i] = undefined;
    victim.child.kill("SIGKILL");
    await victim.stop();
    replicas[i] = await start(i);
  }

  async function audit(): Promise<void> {
    const pool = openPool();
    try {
      const { inferences } = await auditLog(pool);
      const missing = [...acknowledged].filter((id) => !inferences.has(id));
      expect(missing).toEqual([]);
    } finally {
      await pool.end();
    }
  }

  beforeAll(async () => {
    server = await startTestServer();
    await administer(`CREATE DATABASE ${DATABASE}`);
    const first = await start(0);
    const attestation = await fetch(`${first.url}/v1/attestation`);
    const { origin, publicKey } = parseKeyset(parseAttestation(await attestation.text()).keyset).log;
    log = { name: origin, publicKey };
    await first.stop();
    // One cluster: the second replica has the same cluster keys. This copy also serves as an old backup later.
    for (const copy of ["replica-1", "backup"]) {
      mkdirSync(join(folder.path, copy), { recursive: true, mode: 0o711 });
      execFileSync("cp", ["-a", join(directoryOf(0), "vault"), join(folder.path, copy, "vault")]);
    }
    witness = await startWitness({
      key: await openWitnessKey(join(folder.path, "witness.key"), "witness.example/w1"),
      logs: [log],
      stateDirectory: folder.path,
      port: 0,
    });
    replicas[0] = await start(0);
    replicas[1] = await start(1);
    monitored = newState(log);
  }, 240_000);
  afterAll(async () => {
    for (const replica of replicas) await replica?.stop();
    await witness?.close();
    await server?.remove();
    folder.remove();
  }, 60_000);

  test(`make one log, whoever is killed (REPLICAS_SEED=${SEED})`, async () => {
    const stop = new AbortController();
    const working = Array.from({ length: WORKERS }, () => load(stop.signal));
    for (let kill = 0; kill < KILLS; kill++) {
      await sleep(500 + 1000 * random());
      await killAndRestart(random() < 0.5 ? 0 : 1);
      if (kill !== 1) continue;
      // A backup, as it were: whatever is connected must leave for the moment that the copy takes.
      await administer(
        ...emptied(DATABASE),
        `CREATE DATABASE ${SNAPSHOT} TEMPLATE ${DATABASE}`,
        `ALTER DATABASE ${DATABASE} ALLOW_CONNECTIONS true`,
      );
    }
    await sleep(1000);
    stop.abort();
    await Promise.all(working);
    expect(acknowledged.size).toBeGreaterThan(50);
    await sleep(1500);
    await audit();
    for (const replica of replicas)
      monitored = (await monitorRound(httpSource(replica!.url), monitored)).state;
    const key = parseVerifierKey(witness.verifierKey, NOTE_TYPE_COSIGNATURE);
    expect(verifyCosignatures(parseNote(monitored.checkpoint!), [key])).toHaveLength(1);
  }, 300_000);

  test("do not go on from an older database, and say what to do", async () => {
    for (const i of [0, 1]) {
      await replicas[i]!.stop();
      replicas[i] = undefined;
    }
    await administer(
      ...emptied(DATABASE),
      `ALTER DATABASE ${DATABASE} RENAME TO replicas_newest`,
      `ALTER DATABASE ${SNAPSHOT} RENAME TO ${DATABASE}`,
    );
    const refusal =
      /older than the last signed checkpoint: restore the newer one or start a new log[^]*checkpoint_rollback/;
    await expect(start(0)).rejects.toThrow(refusal);
    // A vault from a backup as old as the database: the log witness remembers for it.
    await expect(start(1, join(folder.path, "backup", "vault"))).rejects.toThrow(refusal);
  }, 120_000);

  test("go on from the newest one, with all that was acknowledged", async () => {
    await administer(
      ...emptied(DATABASE),
      `ALTER DATABASE ${DATABASE} RENAME TO ${SNAPSHOT}`,
      `ALTER DATABASE replicas_newest RENAME TO ${DATABASE}`,
      `ALTER DATABASE ${DATABASE} ALLOW_CONNECTIONS true`,
    );
    replicas[0] = await start(0);
    replicas[1] = await start(1);
    const stop = new AbortController();
    const working = Array.from({ length: WORKERS }, () => load(stop.signal));
    await sleep(2000);
    stop.abort();
    await Promise.all(working);
    await sleep(1000);
    await audit();
    const before = monitored.range.size;
    monitored = (await monitorRound(httpSource(replicas[1]!.url), monitored)).state;
    expect(monitored.range.size).toBeGreaterThan(before);
  }, 120_000);
});
