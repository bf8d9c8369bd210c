/** The user that runs the embedded server. PostgreSQL refuses to run as root, so root needs another one. */
import { lstatSync, readFileSync, realpathSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseError } from "../error.ts";

export interface Account {
  name: string;
  uid: number;
  gid: number;
}

/** In order of preference: made for this, made for this on other systems, made for nothing. */
const CANDIDATES = ["postgres", "_postgres", "pgsql", "nobody"];

function accounts(): Account[] {
  const lines = readFileSync("/etc/passwd", "utf8").split("\n");
  return lines.flatMap((line) => {
    const [name, , uid, gid] = line.split(":");
    if (!name || !uid || !gid || !/^-?[0-9]+$/.test(uid) || !/^-?[0-9]+$/.test(gid)) return [];
    return [{ name, uid: Number(uid) >>> 0, gid: Number(gid) >>> 0 }];
  });
}

/**
 * The account to start the server under: null for "as we are". Data that exists keeps its owner.
 * @throws DatabaseError `embedded_user_missing`; `embedded_place_refused` for data that root owns or that is another user's.
 */
export function serverAccount(dataDirectory: string): Account | null {
  const self = process.geteuid?.();
  if (self === undefined) return null;
  const owner = lstatSync(dataDirectory, { throwIfNoEntry: false })?.uid;
  if (self !== 0) {
    if (owner === undefined || owner === self) return null;
    throw new DatabaseError(
      "embedded_place_refused",
      `${dataDirectory} belongs to user ${owner}, not to this one`,
    );
  }
  const known = accounts().filter(({ uid }) => uid !== 0);
  const account =
    owner === undefined
      ? CANDIDATES.map((name) => known.find((entry) => entry.name === name)).find(
          (entry) => entry !== undefined,
        )
      : known.find(({ uid }) => uid === owner);
  if (account) return account;
  throw new DatabaseError(
    "embedded_user_missing",
    owner === undefined
      ? `PostgreSQL does not run as root, and none of the users ${CANDIDATES.join(", ")} exists`
      : `${dataDirectory} belongs to user ${owner}, which cannot run PostgreSQL`,
  );
}

function permits(path: string, account: Account, bit: 1 | 4 | 5): boolean {
  const { mode, uid, gid } = statSync(path);
  const shift = uid === account.uid ? 6 : gid === account.gid ? 3 : 0;
  return ((mode >> shift) & bit) === bit;
}

/** Whether the account may enter every folder above `path`, judged by mode bits (access lists can only make it stricter here). */
export function canReach(path: string, account: Account): boolean {
  let current = realpathSync(dirname(path));
  while (permits(current, account, 1)) {
    if (dirname(current) === current) return true;
    current = dirname(current);
  }
  return false;
}

/** Whether the account may read and run the file. */
export function canRun(path: string, account: Account): boolean {
  return canReach(path, account) && permits(path, account, 5);
}
