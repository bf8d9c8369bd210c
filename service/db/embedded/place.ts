/** Where the embedded server's files lie, and as whom it runs. */
import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, isAbsolute, join } from "node:path";
import { DatabaseError } from "../error.ts";
import { canReach, serverAccount, type Account } from "./account.ts";

export interface Place {
  /** Parent of the cluster and of its socket, owned by the server's account, mode 0700. */
  home: string;
  /** PostgreSQL's data directory. */
  cluster: string;
  /** Copies of the programs, where they are needed. */
  copies: string;
  /** null: the server runs as this process does. */
  account: Account | null;
}

/** Root's own folder for what another user must reach: nobody else may be able to swap what lies in it. */
function sharedDirectory(path: string): string {
  try {
    mkdirSync(path, { recursive: true });
    const { uid, mode } = lstatSync(path);
    if (uid !== 0 || (mode & 0o022) !== 0)
      throw new DatabaseError("embedded_place_refused", `${path} is not root's alone`);
    chmodSync(path, mode | 0o111);
  } catch (error) {
    if (error instanceof DatabaseError) throw error;
    throw new DatabaseError(
      "embedded_place_refused",
      `cannot make ${path} (${(error as NodeJS.ErrnoException).code})`,
    );
  }
  return path;
}

/**
 * A folder of the account's alone. Root never follows a link here and never changes what already exists: the account owns the
 * parent, and could otherwise aim root at another place.
 */
function ownDirectory(path: string, account: Account | null): void {
  if (mkdirSync(path, { recursive: true, mode: 0o700 }) !== undefined) {
    if (account) lchownSync(path, account.uid, account.gid);
    return;
  }
  const entry = lstatSync(path);
  const owner = account?.uid ?? process.geteuid?.() ?? entry.uid;
  if (entry.isDirectory() && entry.uid === owner && (entry.mode & 0o077) === 0) return;
  throw new DatabaseError("embedded_place_refused", `${path} is not a folder of the database's user alone`);
}

/**
 * The pointer left in the data directory when the cluster had to go elsewhere. A pointer to nothing is refused: an empty
 * database in its place would read as a log that was lost.
 */
function pointedHome(pointer: string): string | undefined {
  if (!existsSync(pointer)) return undefined;
  const home = readFileSync(pointer, "utf8").trim();
  if (isAbsolute(home) && existsSync(home)) return home;
  throw new DatabaseError("embedded_place_lost", `the database named by ${pointer} is not there`);
}

function newHome(dataDirectory: string, account: Account | null, shared: string): string {
  const inside = join(dataDirectory, "postgres");
  if (account === null || canReach(inside, account)) return inside;
  return join(sharedDirectory(shared), randomBytes(12).toString("hex"));
}

/**
 * @param shared as root, the folder for clusters and programs that the server's account could not reach where they are
 * @throws DatabaseError `embedded_place_lost`, `embedded_place_refused`, `embedded_user_missing`
 */
export function choosePlace(dataDirectory: string, shared: string): Place {
  const pointer = join(dataDirectory, "postgres.place");
  const existing = pointedHome(pointer) ?? join(dataDirectory, "postgres");
  const account = serverAccount(join(existing, "cluster"));
  const made = existsSync(join(existing, "cluster"));
  const home = made || existsSync(pointer) ? existing : newHome(dataDirectory, account, shared);
  if (made && account && !canReach(join(home, "cluster"), account)) {
    throw new DatabaseError(
      "embedded_place_refused",
      `user ${account.name} cannot reach ${home}; move it or open its parents`,
    );
  }
  if (dirname(home) !== dataDirectory && !existsSync(pointer))
    writeFileSync(pointer, home + "\n", { mode: 0o600 });
  ownDirectory(home, account);
  const copies = account
    ? () => join(sharedDirectory(shared), "programs")
    : () => join(dataDirectory, "programs");
  return { home, cluster: join(home, "cluster"), copies: copies(), account };
}

/** Socket names have about 107 bytes on Linux, 103 elsewhere; PostgreSQL adds a name of its own. */
const LONGEST_SOCKET_DIRECTORY = 80;

/** A folder for the server's socket that only its account (and root) may enter. */
export function socketDirectory(place: Place): string {
  const near = join(place.home, "run");
  if (Buffer.byteLength(near) <= LONGEST_SOCKET_DIRECTORY) {
    ownDirectory(near, place.account);
    return near;
  }
  const far = mkdtempSync(join(tmpdir(), "affidavit-"));
  if (place.account) lchownSync(far, place.account.uid, place.account.gid);
  return far;
}
