/** `npm run setup:balances`: builds the native addon with cargo, once for each state of its sources. */
import { spawn, spawnSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { addonDirectory, loadAddon, NATIVE_SOURCES, SETUP_COMMAND } from "./addon.ts";

const HELP = `${SETUP_COMMAND} [--force]

Builds the addon of encrypted balances (Rust, 8 to 18 minutes the first time on two cores) into the user's cache, where every
clone of the same sources finds it. Needs cargo 1.91 or newer and a C linker. --force builds again.
`;
const RUST_VERSION = [1, 91];
const SILENCE_MS = 60_000;
const LIBRARY: Record<string, string> = {
  linux: "libaffidavit_balances.so",
  darwin: "libaffidavit_balances.dylib",
  win32: "affidavit_balances.dll",
};

function say(text: string): void {
  process.stderr.write(`setup:balances: ${text}\n`);
}

/** @returns why cargo cannot be used, or undefined */
function cargoProblem(): string | undefined {
  const { status, stdout } = spawnSync("cargo", ["--version"], { encoding: "utf8", cwd: NATIVE_SOURCES });
  if (status !== 0) return "cargo is not installed: install Rust, then run this again";
  const [major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(stdout) ?? []).slice(1).map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = RUST_VERSION;
  if (major > wantedMajor || (major === wantedMajor && minor >= wantedMinor)) return undefined;
  return `${stdout.trim()} is too old: Rust ${RUST_VERSION.join(".")} or newer is needed`;
}

/** Cargo's own lines go to standard error; while it is silent, how long it has worked does. */
async function build(target: string): Promise<number> {
  const begunMs = Date.now();
  const cargo = spawn("cargo", ["build", "--release", "--locked", "--workspace", "--target-dir", target], {
    cwd: NATIVE_SOURCES,
    stdio: ["ignore", 2, 2],
  });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => cargo.kill(signal));
  const timer = setInterval(
    () => say(`still building, ${Math.round((Date.now() - begunMs) / 60_000)} min`),
    SILENCE_MS,
  );
  try {
    return await new Promise((resolve, reject) => {
      cargo.on("error", reject);
      cargo.on("exit", (code, signal) => resolve(signal ? 1 : (code ?? 1)));
    });
  } finally {
    clearInterval(timer);
  }
}

/** Whole or not at all: whoever looks while a build ends finds the old state or the new one. */
function install(release: string, directory: string): void {
  mkdirSync(dirname(directory), { recursive: true });
  const fresh = mkdtempSync(`${directory}.`);
  copyFileSync(join(release, LIBRARY[process.platform]!), join(fresh, "balances.node"));
  const program = process.platform === "win32" ? "raw-operations.exe" : "raw-operations";
  copyFileSync(join(release, program), join(fresh, program));
  rmSync(directory, { recursive: true, force: true });
  renameSync(fresh, directory);
}

async function main(words: string[]): Promise<number> {
  if (words.includes("--help")) {
    process.stdout.write(HELP);
    return 0;
  }
  if (words.some((word) => word !== "--force")) {
    process.stderr.write(HELP);
    return 2;
  }
  const cache = join(process.env["XDG_CACHE_HOME"] || join(homedir(), ".cache"), "affidavit");
  const directory = addonDirectory(cache);
  if (existsSync(directory) && !words.includes("--force")) {
    loadAddon(cache);
    say(`already built: ${directory}`);
    return 0;
  }
  const problem = LIBRARY[process.platform] === undefined ? "this system is not supported" : cargoProblem();
  if (problem !== undefined) {
    say(problem);
    return 1;
  }
  const target = join(cache, "balances", "target");
  say(`building in ${target}; the first time takes 8 to 18 minutes on two cores`);
  const status = await build(target);
  if (status !== 0) {
    say("cargo failed, see above");
    return 1;
  }
  install(join(target, "release"), directory);
  loadAddon(cache);
  say(`built: ${directory}`);
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
