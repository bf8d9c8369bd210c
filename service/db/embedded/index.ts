/**
 * A real PostgreSQL server as the service's child: initialised on first use, supervised, stopped with it. What a crash leaves
 * behind: of the service, a server that the next start stops; of the server, a log that it replays when it is started again.
 */
import { randomBytes } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from "node:fs";
import { closeSync, fchownSync, fsyncSync, openSync, writeSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { DatabaseError, sqlStateOf } from "../error.ts";
import { findBinaries, type Binaries } from "./binaries.ts";
import { lockDirectory, type DirectoryLock } from "./lock.ts";
import { stopOrphan } from "./orphan.ts";
import { choosePlace, socketDirectory, type Place } from "./place.ts";
import { runProgram, startProgram, type Program } from "./program.ts";
import { serverArguments, type Listen } from "./settings.ts";
import { Supervisor, type Connection, type EmbeddedEvent, type EmbeddedServer } from "./supervisor.ts";

export type { Connection, EmbeddedEvent, EmbeddedServer };

export interface EmbeddedOptions {
  dataDirectory: string;
  /** As root, where files go that the server's account could not reach otherwise. */
  sharedDirectory?: string;
  onEvent?: (event: EmbeddedEvent) => void;
  /** Longest wait for a server to accept connections, recovery after a crash included. */
  startTimeoutMs?: number;
  stopTimeoutMs?: number;
}

interface Secrets {
  superuser: string;
  service: string;
}

function newPassword(): string {
  return randomBytes(32).toString("base64url");
}

/** Written and synced before the cluster that these open can exist. */
function loadSecrets(dataDirectory: string, cluster: string): Secrets {
  const path = join(dataDirectory, "postgres.json");
  if (existsSync(path)) return JSON.parse(readFileSync(path, "utf8")) as Secrets;
  if (existsSync(cluster))
    throw new DatabaseError("embedded_place_lost", `${path} is gone: nothing opens the database without it`);
  const secrets = { superuser: newPassword(), service: newPassword() };
  const draft = `${path}.${randomBytes(6).toString("hex")}`;
  const file = openSync(draft, "wx", 0o600);
  writeSync(file, JSON.stringify(secrets) + "\n");
  fsyncSync(file);
  closeSync(file);
  renameSync(draft, path);
  return secrets;
}

/** A cluster has its final name only when it is complete and synced. */
async function initialise(place: Place, binaries: Binaries, password: string): Promise<void> {
  for (const name of readdirSync(place.home)) {
    if (name.startsWith("draft-")) rmSync(join(place.home, name), { recursive: true, force: true });
  }
  const draft = join(place.home, `draft-${randomBytes(6).toString("hex")}`);
  const passwordFile = `${draft}.password`;
  const file = openSync(passwordFile, "wx", 0o600);
  writeSync(file, password + "\n");
  if (place.account) fchownSync(file, place.account.uid, place.account.gid);
  closeSync(file);
  const how = ["--auth=scram-sha-256", "--username=postgres", `--pwfile=${passwordFile}`];
  const what = ["--encoding=UTF8", "--locale=C", "--no-instructions", "--data-checksums"];
  try {
    await runProgram(binaries.initdb, ["-D", draft, ...how, ...what], place, 120_000);
  } finally {
    rmSync(passwordFile, { force: true });
  }
  renameSync(draft, place.cluster);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

/** Windows has no sockets in files that the driver could use: there, a free port of the loopback address. */
async function chooseAddress(place: Place): Promise<Listen> {
  if (process.platform === "win32") return { host: "127.0.0.1", port: await freePort() };
  return { host: socketDirectory(place), port: 5432 };
}

/** Answers of a server that is not ready yet: still starting, or all its connections taken. */
const STARTING = new Set(["57P03", "53300"]);

async function tryConnect(connection: Connection): Promise<"ready" | "not yet"> {
  const client = new Client({ ...connection, connectionTimeoutMillis: 2000 });
  client.on("error", () => {});
  try {
    await client.connect();
    return "ready";
  } catch (error) {
    const state = sqlStateOf(error);
    if (state !== undefined && !STARTING.has(state)) {
      throw new DatabaseError(
        "embedded_start_failed",
        `the database refuses its own password (SQLSTATE ${state})`,
        state,
      );
    }
    return "not yet";
  } finally {
    await client.end().catch(() => {});
  }
}

async function waitReady(program: Program, connection: Connection, timeoutMs: number): Promise<void> {
  const end = Date.now() + timeoutMs;
  while (program.running() && Date.now() < end) {
    if ((await tryConnect(connection)) === "ready") return;
    await sleep(15);
  }
  if (program.running()) program.child.kill("SIGKILL");
  await program.exited;
  const reason = program.tail.slice(-4).join(" | ");
  throw new DatabaseError("embedded_start_failed", `PostgreSQL did not start: ${reason}`);
}

/** The service's role and database, made once; a crash in between leaves what the next start completes. */
async function prepareDatabase(administration: Connection, connection: Connection): Promise<void> {
  const client = new Client(administration);
  client.on("error", () => {});
  await client.connect();
  try {
    const { user, database, password } = connection;
    const roles = await client.query("SELECT 1 FROM pg_roles WHERE rolname = $1", [user]);
    if (roles.rowCount === 0)
      await client.query(`CREATE ROLE ${user} LOGIN PASSWORD ${client.escapeLiteral(password)}`);
    const databases = await client.query("SELECT 1 FROM pg_database WHERE datname = $1", [database]);
    if (databases.rowCount === 0) await client.query(`CREATE DATABASE ${database} OWNER ${user}`);
  } finally {
    await client.end();
  }
}

async function prepare(
  dataDirectory: string,
  options: EmbeddedOptions,
  lock: DirectoryLock,
): Promise<Supervisor> {
  const report = options.onEvent ?? (() => {});
  const shared = options.sharedDirectory ?? "/var/lib/affidavit";
  const place = choosePlace(dataDirectory, shared);
  const binaries = findBinaries(place.account, place.copies);
  const secrets = loadSecrets(dataDirectory, place.cluster);
  if (!existsSync(place.cluster)) {
    const begun = performance.now();
    await initialise(place, binaries, secrets.superuser);
    report({ kind: "initialised", elapsedMs: performance.now() - begun });
  }
  const stopTimeoutMs = options.stopTimeoutMs ?? 30_000;
  const listen = await chooseAddress(place);
  const { host, port } = listen;
  const administration = {
    host,
    port,
    ssl: false as const,
    user: "postgres",
    database: "postgres",
    password: secrets.superuser,
  };
  const connection = {
    host,
    port,
    ssl: false as const,
    user: "affidavit",
    database: "affidavit",
    password: secrets.service,
  };

  const onLine = (line: string) => {
    // Our own question whether it is ready is no news.
    if (!line.includes("the database system is starting up")) report({ kind: "log", line });
  };
  async function start(): Promise<Program> {
    const begun = performance.now();
    if (await stopOrphan(place.cluster, secrets.superuser, stopTimeoutMs)) report({ kind: "orphan_stopped" });
    const program = startProgram(binaries.postgres, serverArguments(place.cluster, listen), place, onLine);
    await waitReady(program, administration, options.startTimeoutMs ?? 120_000);
    report({ kind: "ready", pid: program.child.pid!, elapsedMs: performance.now() - begun });
    return program;
  }

  const end = {
    release() {
      if (dirname(host) === tmpdir()) rmSync(host, { recursive: true, force: true });
      lock.release();
    },
  };
  const supervisor = new Supervisor({ connection, administration }, start, end, { report, stopTimeoutMs });
  await supervisor.begin();
  try {
    await prepareDatabase(administration, connection);
  } catch (error) {
    await supervisor.stop();
    throw error;
  }
  return supervisor;
}

/**
 * Starts PostgreSQL on `dataDirectory`, which is made where it is missing (mode 0711 as root, so that the server's account can
 * pass through; else 0700).
 * @throws DatabaseError `database_in_use`, `embedded_unsupported`, `embedded_user_missing`, `embedded_place_lost`,
 *   `embedded_place_refused`, `embedded_start_failed`
 */
export async function startEmbedded(options: EmbeddedOptions): Promise<EmbeddedServer> {
  const dataDirectory = resolve(options.dataDirectory);
  if (!existsSync(dataDirectory)) {
    mkdirSync(dataDirectory, { recursive: true });
    chmodSync(dataDirectory, process.geteuid?.() === 0 ? 0o711 : 0o700);
  }
  const lock = lockDirectory(dataDirectory);
  try {
    return await prepare(dataDirectory, options, lock);
  } catch (error) {
    lock.release();
    throw error;
  }
}
