/** Moves the process into its key directory and, from root, to its own user. */
import { chdir } from "node:process";
import { lchownSync, lstatSync, mkdirSync, statSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { VaultError } from "../error.ts";
import { lockFile } from "./harden.ts";
import { openPrivateFile } from "./private-file.ts";

export const KEY_FILE = "cluster.keys";
export const CHECKPOINT_FILE = "last.checkpoint";
export const JOURNAL_FILE = "ledger.journal";
export const FHE_DIGESTS_FILE = "fhe.digests";
export const POLICY_FILE = "vault.policy";
export const USED_LIMITS_FILE = "limits.used";
const LOCK_FILE = "lock";
const REPLACED = [KEY_FILE, CHECKPOINT_FILE, FHE_DIGESTS_FILE, POLICY_FILE, USED_LIMITS_FILE];
const FILES = [...REPLACED, ...REPLACED.map((name) => `${name}.new`), JOURNAL_FILE, LOCK_FILE];

export interface OwnUser {
  uid: number;
  gid: number;
}

/**
 * Makes the directory (0700) where it is missing and enters it. With `user`, the process, which must be root, gives it
 * the directory and its files and becomes that user for good.
 * @throws VaultError `key_directory_unreachable`, `key_directory_unsafe`, `own_user_unavailable`
 */
export function enterKeyDirectory(path: string, user: OwnUser | undefined): void {
  try {
    mkdirSync(path, { recursive: true, mode: 0o700 });
    chdir(path);
  } catch (cause) {
    throw new VaultError("key_directory_unreachable", { cause });
  }
  const status = statSync(".");
  const owner = process.geteuid!();
  const known = status.uid === owner || status.uid === user?.uid;
  if (!known || (status.mode & 0o077) !== 0) throw new VaultError("key_directory_unsafe");
  if (!user) return;
  giveTo(user, owner);
  try {
    process.setgroups!([]);
    process.setgid!(user.gid);
    process.setuid!(user.uid);
  } catch (cause) {
    throw new VaultError("own_user_unavailable", { cause });
  }
  if (process.geteuid!() !== user.uid || process.getegid!() !== user.gid) {
    throw new VaultError("own_user_unavailable");
  }
}

function giveTo(user: OwnUser, owner: number): void {
  for (const name of FILES) {
    const status = lstatSync(name, { throwIfNoEntry: false });
    if (!status) continue;
    const known = status.uid === owner || status.uid === user.uid;
    if (!status.isFile() || status.nlink > 1 || !known) throw new VaultError("key_directory_unsafe");
  }
  try {
    for (const name of FILES) {
      if (lstatSync(name, { throwIfNoEntry: false })) lchownSync(name, user.uid, user.gid);
    }
    lchownSync(".", user.uid, user.gid);
  } catch (cause) {
    throw new VaultError("own_user_unavailable", { cause });
  }
}

/**
 * Locks the directory until the process ends; waits a moment for a vault that is just ending.
 * Two vaults on one directory could each sign a checkpoint that the other does not know of.
 * @throws VaultError `key_directory_in_use`
 */
export async function lockKeyDirectory(waitMs: number): Promise<void> {
  const handle = await openPrivateFile(LOCK_FILE);
  const endMs = performance.now() + waitMs;
  while (!lockFile(handle.fd)) {
    if (performance.now() > endMs) throw new VaultError("key_directory_in_use");
    await sleep(25);
  }
  held.push(handle);
}

/** A collected handle would be closed, and the lock with it. */
const held: unknown[] = [];
