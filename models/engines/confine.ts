/**
 * What a host does to itself before it reads anything: it dies with its parent even inside a native call, cannot be
 * read by another process of the same user, leaves no core file, gains no privilege, and is what the kernel ends first
 * when memory runs out. Linux only; elsewhere these protections are absent and `confine` says so.
 */
import { writeFileSync } from "node:fs";
import koffi from "koffi";

const PR_SET_PDEATHSIG = 1;
const PR_SET_DUMPABLE = 4;
const PR_SET_NO_NEW_PRIVS = 38;
const SIGKILL = 9;

/** Returns whether the protections hold. Ends the process where the parent is already gone. */
export function confine(parentPid: number): boolean {
  if (process.platform !== "linux") return false;
  const prctl = koffi
    .load(null)
    .func("int prctl(int, unsigned long, unsigned long, unsigned long, unsigned long)");
  const set = (option: number, value: number) => prctl(option, value, 0, 0, 0) === 0;
  const held = [
    set(PR_SET_PDEATHSIG, SIGKILL),
    set(PR_SET_NO_NEW_PRIVS, 1),
    preferForKill(),
    set(PR_SET_DUMPABLE, 0),
  ];
  // The parent may have died before the first call took effect.
  if (process.ppid !== parentPid) process.exit(1);
  return held.every(Boolean);
}

function preferForKill(): boolean {
  try {
    writeFileSync("/proc/self/oom_score_adj", "1000");
    return true;
  } catch {
    return false;
  }
}
