/** The processes of one service, found by parentage: a test may harm only what it started. Linux. */
import { readdirSync, readFileSync } from "node:fs";

export type Role = "service" | "vault" | "host" | "postgres" | "backend";

export interface ProcessEntry {
  pid: number;
  /** When it began, in clock ticks: with the id it names a process for good. */
  startTicks: string;
  role: Role;
}

interface Stat {
  parent: number;
  state: string;
  startTicks: string;
}

/** Members of `/proc/PID/stat` behind the command's name, which may hold anything but ends with the last parenthesis. */
function readStat(pid: number): Stat | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return { state: fields[0]!, parent: Number(fields[1]), startTicks: fields[19]! };
  } catch {
    return undefined;
  }
}

function roleOf(pid: number): Role {
  const line = readFileSync(`/proc/${pid}/cmdline`, "latin1");
  if (line.includes("/vault/main.")) return "vault";
  if (line.includes("/engines/host.")) return "host";
  if (line.includes("/bin/postgres")) return "postgres";
  if (line.startsWith("postgres:")) return "backend";
  return "service";
}

/** The service and all below it, itself first. */
export function processTree(root: number): ProcessEntry[] {
  const stats = new Map<number, Stat>();
  for (const name of readdirSync("/proc")) {
    const stat = /^[0-9]+$/.test(name) ? readStat(Number(name)) : undefined;
    if (stat) stats.set(Number(name), stat);
  }
  const found = [root];
  for (const parent of found) {
    for (const [pid, stat] of stats) if (stat.parent === parent) found.push(pid);
  }
  return found.flatMap((pid) => {
    const stat = stats.get(pid);
    try {
      return stat && stat.state !== "Z" ? [{ pid, startTicks: stat.startTicks, role: roleOf(pid) }] : [];
    } catch {
      return [];
    }
  });
}

/** Of these, the ones that still run; a zombie does not. */
export function stillRunning(processes: readonly ProcessEntry[]): ProcessEntry[] {
  return processes.filter(({ pid, startTicks }) => {
    const stat = readStat(pid);
    return stat !== undefined && stat.state !== "Z" && stat.startTicks === startTicks;
  });
}

/** @returns the process id, for a signal */
export function findRole(root: number, role: Role): number {
  const found = processTree(root).find((entry) => entry.role === role);
  if (!found) throw new Error(`the service has no ${role}`);
  return found.pid;
}

/** Resident memory now and at its largest, in bytes. */
export function memoryOf(pid: number): { nowBytes: number; peakBytes: number } {
  const status = readFileSync(`/proc/${pid}/status`, "latin1");
  const read = (name: string) => Number(new RegExp(`^${name}:\\s+([0-9]+) kB`, "m").exec(status)![1]) * 1024;
  return { nowBytes: read("VmRSS"), peakBytes: read("VmHWM") };
}
