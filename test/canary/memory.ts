/** A process's memory, read from outside as root may. Linux. */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import type { Search } from "./search.ts";

interface Region {
  start: number;
  end: number;
  name: string;
}

const CHUNK_BYTES = 8 * 1024 * 1024;

/** Readable regions that hold data: a library's file or the kernel's own pages are nobody's secrets. */
function regionsOf(pid: number): Region[] {
  return readFileSync(`/proc/${pid}/maps`, "latin1")
    .split("\n")
    .flatMap((line) => {
      const found = /^([0-9a-f]+)-([0-9a-f]+) r(w.)..? \S+ \S+ \S+ *(.*)$/.exec(line);
      if (!found) return [];
      const [, start, end, , name] = found;
      if (/^\[v(var|dso|syscall)/.test(name!)) return [];
      return [
        { start: Number.parseInt(start!, 16), end: Number.parseInt(end!, 16), name: name || "anonymous" },
      ];
    });
}

/** @throws Error where this user may not */
export function searchMemory(pid: number, search: Search): void {
  const descriptor = openSync(`/proc/${pid}/mem`, "r");
  try {
    for (const { start, end, name } of regionsOf(pid)) search.parts(pages(descriptor, start, end), name);
  } finally {
    closeSync(descriptor);
  }
}

function* pages(descriptor: number, start: number, end: number): Generator<Buffer> {
  for (let at = start; at < end; at += CHUNK_BYTES) {
    const buffer = Buffer.alloc(Math.min(CHUNK_BYTES, end - at));
    try {
      const length = readSync(descriptor, buffer, 0, buffer.length, at);
      yield buffer.subarray(0, length);
    } catch (error) {
      // Unmapped since it was listed.
      if ((error as NodeJS.ErrnoException).code !== "EIO") throw error;
    }
  }
}
