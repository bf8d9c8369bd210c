/** EZKL's Python environment: in the user's cache, named by the hash of its pinned requirements, whole or not there. */
import { execFile, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { mkdir, rename, rm, writeFile } from "node:fs/promises";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { ProofError } from "../error.ts";

const REQUIREMENTS = fileURLToPath(new URL("./requirements.txt", import.meta.url));
const COMMAND = "npx affidavit setup proofs";
const STEP_TIMEOUT_MS = 600_000;
const COMPLETE = "complete";

export type ProofSystemState =
  | { ready: true; python: string }
  /** `problem`: what is missing, `command`: what installs it. */
  | { ready: false; problem: string; command: string };

/** The user's cache: `$XDG_CACHE_HOME/affidavit` (a relative value is ignored, as its specification asks). */
export function cacheDirectory(environment: NodeJS.ProcessEnv): string {
  const base = environment["XDG_CACHE_HOME"];
  return join(base && isAbsolute(base) ? base : join(homedir(), ".cache"), "affidavit");
}

function homeOf(cache: string): string {
  const digest = createHash("sha256").update(readFileSync(REQUIREMENTS)).digest("hex").slice(0, 16);
  return join(cache, `ezkl-${digest}`);
}

function interpreterIn(home: string): string {
  return process.platform === "win32" ? join(home, "Scripts", "python.exe") : join(home, "bin", "python");
}

/**
 * Whether proofs can be made here, or what to do about it. Starts nothing.
 * @param cache as `cacheDirectory` gives it
 */
export function findProofSystem(cache: string): ProofSystemState {
  const home = homeOf(cache);
  const python = interpreterIn(home);
  if (existsSync(join(home, COMPLETE)) && existsSync(python)) return { ready: true, python };
  return {
    ready: false,
    problem: "EZKL 21.0.0 is not installed, so no proofs are made here",
    command: COMMAND,
  };
}

async function pythonVersion(python: string): Promise<[number, number] | undefined> {
  try {
    const script = "import sys, venv, ensurepip; print(*sys.version_info[:2])";
    const { stdout } = await promisify(execFile)(python, ["-c", script], { timeout: 30_000 });
    const [major, minor] = stdout.trim().split(" ").map(Number);
    return [major!, minor!];
  } catch {
    return undefined;
  }
}

async function findPython(wanted: string | undefined): Promise<string> {
  for (const python of wanted === undefined ? ["python3", "python"] : [wanted]) {
    const version = await pythonVersion(python);
    if (version && (version[0] > 3 || (version[0] === 3 && version[1] >= 9))) return python;
  }
  throw new ProofError(
    "proof_system_missing",
    "proving needs Python 3.9 or later with its modules venv and ensurepip (on Debian: apt install python3-venv); none was found",
  );
}

function step(command: string, args: string[], signal: AbortSignal | undefined): Promise<void> {
  return new Promise((done, failed) => {
    const child = spawn(command, args, {
      stdio: ["ignore", 2, 2],
      timeout: STEP_TIMEOUT_MS,
      ...(signal ? { signal } : {}),
    });
    child.on("error", (cause) =>
      failed(
        signal?.aborted
          ? new ProofError("cancelled", "the set-up was cancelled")
          : new ProofError("proof_system_missing", `${command} cannot be started: ${cause.message}`, {
              cause,
            }),
      ),
    );
    child.on("close", (status) =>
      status === 0
        ? done()
        : failed(
            new ProofError(
              "proof_system_missing",
              `${command} ${args.join(" ")} ended with status ${status}`,
            ),
          ),
    );
  });
}

export interface SetUpOptions {
  /** The interpreter to make it with; else python3 or python. */
  python?: string | undefined;
  onProgress?: ((step: string) => void) | undefined;
  signal?: AbortSignal | undefined;
}

/**
 * Makes the environment where it is not there yet. What the steps print goes to stderr.
 * @returns the interpreter
 * @throws ProofError `proof_system_missing` (no Python, or a step failed), `prover_disk_full`, `cancelled`
 */
export async function setUpProofSystem(cache: string, options: SetUpOptions = {}): Promise<string> {
  const found = findProofSystem(cache);
  if (found.ready) return found.python;
  const { onProgress = () => {}, signal } = options;
  const home = homeOf(cache);
  const python = await findPython(options.python);
  try {
    await mkdir(cache, { recursive: true });
    // A broken one, which no worker runs: they start in whole ones only.
    await rm(home, { recursive: true, force: true });
    onProgress(`making a Python environment in ${home}`);
    await step(python, ["-m", "venv", home], signal);
    onProgress("installing ezkl 21.0.0 (PyPI, pinned by hash, some 14 MB)");
    const pip = [
      "-m",
      "pip",
      "install",
      "--disable-pip-version-check",
      "--no-deps",
      "--only-binary",
      ":all:",
    ];
    await step(interpreterIn(home), [...pip, "--require-hashes", "--requirement", REQUIREMENTS], signal);
    onProgress("trying it");
    await step(interpreterIn(home), ["-c", "import ezkl; assert ezkl.__version__ == '21.0.0'"], signal);
    await writeFile(join(home, `${COMPLETE}.new`), "");
    await rename(join(home, `${COMPLETE}.new`), join(home, COMPLETE));
  } catch (cause) {
    await rm(home, { recursive: true, force: true }).catch(() => {});
    if ((cause as NodeJS.ErrnoException).code === "ENOSPC")
      throw new ProofError("prover_disk_full", `no space left for ${home}`, { cause });
    throw cause;
  }
  return interpreterIn(home);
}
