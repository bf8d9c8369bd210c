/** Looks for patterns in bytes, files and folders. */
import { closeSync, openSync, readdirSync, readSync } from "node:fs";
import { join } from "node:path";
import type { Pattern } from "./marks.ts";

export interface Hit {
  mark: string;
  form: string;
  /** What it was found in, for people. */
  where: string;
}

const CHUNK_BYTES = 8 * 1024 * 1024;

/** Spreads four bytes over the table (Knuth's multiplicative hashing). */
const spread = (word: number): number => Math.imul(word, 0x9e3779b1) >>> 16;

export class Search {
  readonly hits: Hit[] = [];
  /** Whether a pattern may begin with these four bytes. */
  readonly #mayBegin = new Uint8Array(65_536);
  readonly #byFirstWord = new Map<number, Pattern[]>();
  readonly #overlap: number;
  /** How much was looked through, in bytes. */
  searchedBytes = 0;

  constructor(patterns: readonly Pattern[]) {
    for (const pattern of patterns) {
      const word = pattern.bytes.readInt32LE(0);
      this.#mayBegin[spread(word)] = 1;
      this.#byFirstWord.set(word, [...(this.#byFirstWord.get(word) ?? []), pattern]);
    }
    this.#overlap = Math.max(0, ...patterns.map(({ bytes }) => bytes.length)) - 1;
  }

  /** @returns how many hits are new */
  bytes(content: Buffer, where: string): number {
    const before = this.hits.length;
    this.searchedBytes += content.length;
    this.#look(content, where, 0);
    return this.hits.length - before;
  }

  /** Parts one after another, as a file is read: a pattern may lie across two of them. */
  parts(parts: Iterable<Buffer>, where: string): void {
    let tail = Buffer.alloc(0);
    for (const part of parts) {
      this.searchedBytes += part.length;
      this.#look(Buffer.concat([tail, part]), where, tail.length);
      const whole = tail.length + part.length;
      tail = Buffer.concat([tail, part]).subarray(Math.max(0, whole - this.#overlap));
    }
  }

  /** Every file below the folder. A link is not followed; what goes away meanwhile is passed over. */
  folder(path: string): void {
    for (const entry of readdirSync(path, { withFileTypes: true, recursive: true })) {
      if (entry.isFile()) this.file(join(entry.parentPath, entry.name));
    }
  }

  file(path: string): void {
    let descriptor: number;
    try {
      descriptor = openSync(path, "r");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
      throw error;
    }
    try {
      this.parts(readParts(descriptor), path);
    } finally {
      closeSync(descriptor);
    }
  }

  /** @param seenBytes of the start were looked through before: only what goes beyond them is new */
  #look(content: Buffer, where: string, seenBytes: number): void {
    let word = 0;
    for (let end = 0; end < content.length; end++) {
      word = (word >>> 8) | (content[end]! << 24);
      if (end < 3 || this.#mayBegin[spread(word)] === 0) continue;
      const at = end - 3;
      for (const { mark, form, bytes } of this.#byFirstWord.get(word) ?? []) {
        const isThere = bytes.equals(content.subarray(at, at + bytes.length));
        if (isThere && at + bytes.length > seenBytes) this.hits.push({ mark, form, where });
      }
    }
  }
}

function* readParts(descriptor: number): Generator<Buffer> {
  for (;;) {
    const buffer = Buffer.alloc(CHUNK_BYTES);
    const length = readSync(descriptor, buffer, 0, buffer.length, null);
    if (length === 0) return;
    yield buffer.subarray(0, length);
  }
}

/** Hits by mark and place, for a report: how often, and in which forms. */
export function countHits(hits: readonly Hit[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { mark, form, where } of hits) {
    const name = `${mark} (${form}) in ${where}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}
