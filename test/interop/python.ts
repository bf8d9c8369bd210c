/** Python environments in the user's cache, named by the hash of their pinned requirements. */
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

/** Where what is only compared or tested with is kept. */
export function cacheDirectory(): string {
  return join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "affidavit");
}

function run(command: string, args: string[]): void {
  const { status, error } = spawnSync(command, args, { stdio: ["ignore", 2, 2], timeout: 600_000 });
  if (status !== 0) throw new Error(`${command} ${args.join(" ")} failed: ${error?.message ?? status}`);
}

/** The interpreter of an environment with exactly these requirements; made at the first call. */
export function pythonWith(requirementsFile: string): string {
  const digest = createHash("sha256").update(readFileSync(requirementsFile)).digest("hex").slice(0, 16);
  const home = join(cacheDirectory(), `python-${digest}`);
  const interpreter = join(home, "bin", "python");
  if (existsSync(join(home, "complete"))) return interpreter;
  process.stderr.write(`making a Python environment in ${home}\n`);
  rmSync(home, { recursive: true, force: true });
  mkdirSync(cacheDirectory(), { recursive: true });
  run("python3", ["-m", "venv", home]);
  run(interpreter, ["-m", "pip", "install", "--quiet", "--no-deps", "--requirement", requirementsFile]);
  mkdirSync(join(home, "complete.tmp"));
  renameSync(join(home, "complete.tmp"), join(home, "complete"));
  return interpreter;
}
