/**
 * A server that outlived its service (killed, so that nothing stopped the child) is found by `postmaster.pid` and stopped, but
 * only once it has shown to be ours: it proves the password of this cluster (SCRAM proves both sides) and names its directory
 * and system identifier; or, where it no longer answers, its command line names this cluster.
 */
import { execFileSync } from "node:child_process";
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  realpathSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Client } from "pg";
import { DatabaseError } from "../error.ts";

export interface PidFile {
  pid: number;
  port: number;
  socketDirectory: string;
  listenAddress: string;
}

/** Lines of `postmaster.pid`: pid, data directory, start time, port, socket directory, listen address, … */
export function parsePidFile(text: string): PidFile | undefined {
  const lines = text.slice(0, 8192).split("\n");
  const pid = Number(lines[0]);
  if (!Number.isSafeInteger(pid) || pid <= 0) return undefined;
  return { pid, port: Number(lines[3]) || 0, socketDirectory: lines[4] ?? "", listenAddress: lines[5] ?? "" };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** The system identifier: the first eight bytes of `global/pg_control`, in the machine's byte order. */
export function systemIdentifier(cluster: string): bigint {
  const control = readFileSync(join(cluster, "global", "pg_control"));
  return process.arch === "s390x" ? control.readBigUInt64BE(0) : control.readBigUInt64LE(0);
}

async function answersAsOurs(file: PidFile, cluster: string, password: string): Promise<boolean> {
  const host = file.socketDirectory || file.listenAddress;
  if (!host || !file.port) return false;
  const client = new Client({
    host,
    port: file.port,
    ssl: false,
    user: "postgres",
    database: "postgres",
    password,
    connectionTimeoutMillis: 3000,
  });
  client.on("error", () => {});
  try {
    await client.connect();
    const { rows } = await client.query(
      "SELECT current_setting('data_directory') AS directory, system_identifier::text AS id FROM pg_control_system()",
    );
    return (
      realpathSync(rows[0].directory) === realpathSync(cluster) &&
      BigInt.asUintN(64, BigInt(rows[0].id)) === systemIdentifier(cluster)
    );
  } catch {
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}

/** Arguments of a process; undefined where the system does not tell. */
function commandLine(pid: number): string | undefined {
  try {
    if (existsSync("/proc/self/cmdline")) return readFileSync(`/proc/${pid}/cmdline`, "utf8");
    return execFileSync("ps", ["-o", "args=", "-p", String(pid)], { encoding: "utf8", timeout: 3000 });
  } catch {
    return undefined;
  }
}

async function waitGone(pid: number, timeoutMs: number): Promise<boolean> {
  const end = Date.now() + timeoutMs;
  while (Date.now() < end) {
    if (!isAlive(pid)) return true;
    await sleep(20);
  }
  return !isAlive(pid);
}

/**
 * The pid in the file now means another process. PostgreSQL takes a file that names its own parent for stale and then still
 * checks that the old shared memory is unused; deleting the file would skip that check.
 */
function disownPidFile(path: string): void {
  const rest = readFileSync(path, "utf8").split("\n").slice(1);
  // The file is in another user's folder: as root, never write through a link.
  const file = openSync(path, constants.O_WRONLY | (constants.O_NOFOLLOW ?? 0));
  try {
    if (!fstatSync(file).isFile() || fstatSync(file).nlink !== 1)
      throw new DatabaseError("database_in_use", `${path} is no plain file`);
    ftruncateSync(file);
    writeSync(file, [String(process.pid), ...rest].join("\n"));
  } finally {
    closeSync(file);
  }
}

/**
 * Leaves no server running on the cluster. Call it with the directory's lock held.
 * @returns whether a server had to be stopped
 * @throws DatabaseError `database_in_use` where a live process may own the cluster and is not known to be ours
 */
export async function stopOrphan(cluster: string, password: string, stopTimeoutMs: number): Promise<boolean> {
  const path = join(cluster, "postmaster.pid");
  const file = existsSync(path) ? parsePidFile(readFileSync(path, "utf8")) : undefined;
  if (!file || file.pid === process.pid || !isAlive(file.pid)) return false;
  const { pid } = file;
  const line = commandLine(pid);
  const named = line !== undefined && /postgres/.test(line) && line.includes(cluster);
  if (!(await answersAsOurs(file, cluster, password)) && !named) {
    if (line === undefined && isAlive(pid)) {
      throw new DatabaseError(
        "database_in_use",
        `process ${pid} may be a server on ${cluster}; stop it first`,
      );
    }
    if (isAlive(pid)) disownPidFile(path);
    return false;
  }
  for (const signal of ["SIGINT", "SIGQUIT", "SIGKILL"] as const) {
    try {
      process.kill(pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") {
        throw new DatabaseError("database_in_use", `cannot stop process ${pid}, a server on ${cluster}`);
      }
    }
    if (await waitGone(pid, signal === "SIGINT" ? stopTimeoutMs : 5000)) return true;
  }
  throw new DatabaseError("database_in_use", `process ${pid}, a server on ${cluster}, does not stop`);
}
