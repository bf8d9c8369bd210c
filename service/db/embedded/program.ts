/** Runs PostgreSQL's programs under the server's account, with an environment of their own. */
import { spawn, type ChildProcess } from "node:child_process";
import type { Readable } from "node:stream";
import { DatabaseError } from "../error.ts";
import type { Place } from "./place.ts";

const TAIL_LINES = 40;
const LONGEST_LINE = 2000;
const OUTPUT_MS = 300;

export interface Program {
  child: ChildProcess;
  /** The last lines it wrote. */
  tail: string[];
  running(): boolean;
  /** Resolves when the process is gone; rejects never. */
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

function followLines(stream: Readable, onLine: (line: string) => void): void {
  let rest = "";
  stream.setEncoding("utf8");
  stream.on("data", (chunk: string) => {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop()!.slice(0, LONGEST_LINE);
    for (const line of lines) if (line.trim() !== "") onLine(line.slice(0, LONGEST_LINE));
  });
  stream.on("error", () => {});
}

/**
 * Its own process group, so that a terminal's Ctrl-C reaches the service alone, which then stops the database last.
 * @throws DatabaseError `embedded_start_failed`, from `exited` too
 */
export function startProgram(
  path: string,
  args: string[],
  place: Place,
  onLine: (line: string) => void,
): Program {
  const tail: string[] = [];
  const keep = (line: string) => {
    tail.push(line);
    if (tail.length > TAIL_LINES) tail.shift();
    onLine(line);
  };
  const identity = place.account ? { uid: place.account.uid, gid: place.account.gid } : {};
  const environment = { PATH: "/usr/bin:/bin", LC_ALL: "C", TZ: "UTC" };
  const system = process.platform === "win32" ? { ...process.env } : {};
  const child = spawn(path, args, {
    ...identity,
    cwd: place.home,
    detached: process.platform !== "win32",
    windowsHide: true,
    env: { ...system, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let running = true;
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve) => {
    child.once("error", (error) => {
      keep(`cannot run ${path}: ${(error as NodeJS.ErrnoException).code ?? "unknown reason"}`);
      running = false;
      resolve({ code: 127, signal: null });
    });
    child.once("close", (code, signal) => resolve({ code, signal }));
    child.once("exit", (code, signal) => {
      running = false;
      // Children of the dead process may hold its output open.
      setTimeout(() => resolve({ code, signal }), OUTPUT_MS).unref();
    });
  });
  followLines(child.stdout!, keep);
  followLines(child.stderr!, keep);
  return { child, tail, exited, running: () => running };
}

/** Runs to the end. @throws DatabaseError `embedded_start_failed` where it fails or takes longer than `timeoutMs`. */
export async function runProgram(
  path: string,
  args: string[],
  place: Place,
  timeoutMs: number,
): Promise<void> {
  const program = startProgram(path, args, place, () => {});
  const timer = setTimeout(() => program.child.kill("SIGKILL"), timeoutMs);
  const { code } = await program.exited;
  clearTimeout(timer);
  if (code === 0) return;
  throw new DatabaseError("embedded_start_failed", `${path} failed: ${program.tail.slice(-5).join(" | ")}`);
}
