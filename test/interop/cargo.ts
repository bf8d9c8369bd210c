/** Rust programs, built in the user's cache by the hash of their sources. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** @returns the program's path, or why there is none */
export function rustProgram(directory: string, name: string): { path: string } | { missing: string } {
  const hash = createHash("sha256");
  for (const file of ["Cargo.toml", "Cargo.lock", "src/main.rs"])
    hash.update(readFileSync(join(directory, file)));
  const cache = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "affidavit");
  const target = join(cache, `${name}-${hash.digest("hex").slice(0, 16)}`);
  const path = join(target, name);
  if (existsSync(path)) return { path };
  if (spawnSync("cargo", ["--version"]).status !== 0) return { missing: "cargo is not installed" };
  process.stderr.write(`building ${name} in ${target}\n`);
  mkdirSync(target, { recursive: true });
  const { status } = spawnSync(
    "cargo",
    ["build", "--release", "--locked", "--target-dir", join(target, "build")],
    {
      cwd: directory,
      stdio: ["ignore", 2, 2],
      timeout: 900_000,
    },
  );
  if (status !== 0) throw new Error(`cargo build of ${name} failed`);
  renameSync(join(target, "build", "release", name), path);
  return { path };
}
