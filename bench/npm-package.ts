/** Packages to compare with: in the user's cache, never a dependency of the project. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { cacheDirectory } from "../test/interop/python.ts";

/** A package's exports, at exactly this version; installed, without install scripts, at the first call. */
export function loadPackage(name: string, version: string): unknown {
  const home = join(cacheDirectory(), `npm-${name.replaceAll(/[^a-z0-9]/g, "-")}-${version}`);
  if (!existsSync(join(home, "complete"))) install(home, `${name}@${version}`);
  return createRequire(join(home, "package.json"))(name);
}

function install(home: string, specifier: string): void {
  process.stderr.write(`installing ${specifier} in ${home}\n`);
  rmSync(home, { recursive: true, force: true });
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, "package.json"), '{"private": true}\n');
  const args = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--save-exact", specifier];
  const { status, error } = spawnSync("npm", args, {
    cwd: home,
    stdio: ["ignore", 2, 2],
    timeout: 300_000,
  });
  if (status !== 0) throw new Error(`npm install ${specifier} failed: ${error?.message ?? status}`);
  mkdirSync(join(home, "complete.tmp"));
  renameSync(join(home, "complete.tmp"), join(home, "complete"));
}
