/** What keeps the vault's memory from other processes. Each step says whether it holds; none is assumed. */
import { load, type LibraryHandle } from "koffi";

/** linux/prctl.h */
const PR_GET_DUMPABLE = 3;
const PR_SET_DUMPABLE = 4;
/** sys/resource.h, the same number on Linux and macOS. */
const RLIMIT_CORE = 4;
/** sys/file.h: LOCK_EX | LOCK_NB. */
const LOCK_EXCLUSIVE_NOW = 6;

let library: LibraryHandle | undefined;

function libc(): LibraryHandle {
  library ??= load(null);
  return library;
}

/**
 * Forbids attaching and core dumps (prctl(2): /proc/PID then belongs to root). Returns whether the process is still dumpable.
 * Changing the user sets this anew, so call it again afterwards.
 */
export function forbidDumping(): boolean {
  if (process.platform !== "linux") return true;
  const prctl = libc().func("int prctl(int, ulong, ulong, ulong, ulong)");
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  return prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) !== 0;
}

/** Sets soft and hard RLIMIT_CORE to 0. Returns whether a core dump is still possible. */
export function forbidCoreDumps(): boolean {
  const limits = Buffer.alloc(16);
  const setrlimit = libc().func("int setrlimit(int, const void *)");
  const getrlimit = libc().func("int getrlimit(int, void *)");
  setrlimit(RLIMIT_CORE, limits);
  limits.fill(0xff);
  return getrlimit(RLIMIT_CORE, limits) !== 0 || limits.some((byte) => byte !== 0);
}

/** Takes an exclusive lock that the kernel drops when the process ends (flock(2)); false where another holds it. */
export function lockFile(fileDescriptor: number): boolean {
  return libc().func("int flock(int, int)")(fileDescriptor, LOCK_EXCLUSIVE_NOW) === 0;
}
