/**
 * One service a data directory. The lock is the kernel's (SQLite's exclusive file lock), so it ends with its process however
 * that ends, holds between containers that share a volume, and needs no guess whether a process id still means the same process.
 */
import { DatabaseSync } from "node:sqlite";
import { chmodSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseError } from "../error.ts";

export interface DirectoryLock {
  /** Again and again does nothing more. */
  release(): void;
}

function holder(pidFile: string): string {
  try {
    const pid = readFileSync(pidFile, "utf8").trim().slice(0, 20);
    return /^[0-9]+$/.test(pid) ? ` (process ${pid})` : "";
  } catch {
    return "";
  }
}

/** @throws DatabaseError `database_in_use` where another process holds the directory. */
export function lockDirectory(directory: string): DirectoryLock {
  const pidFile = join(directory, "service.pid");
  const lockFile = join(directory, "service.lock");
  const database = new DatabaseSync(lockFile, { timeout: 0 });
  // Whoever may read it may lock it too.
  chmodSync(lockFile, 0o600);
  try {
    database.exec("BEGIN EXCLUSIVE");
  } catch {
    database.close();
    throw new DatabaseError("database_in_use", `${directory} is in use by another service${holder(pidFile)}`);
  }
  writeFileSync(pidFile, `${process.pid}\n`, { mode: 0o600 });
  return { release: () => (database.isOpen ? database.close() : undefined) };
}
