/**
 * Fetched endorsements on disk: bodies by their SHA-256, and a small index file by request. Only this user may write
 * there. The folder is bounded; the oldest go first. What is damaged counts as absent.
 */
import { randomBytes } from "node:crypto";
import { mkdir, open, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256, toHex } from "../../codec/index.ts";
import type { CacheEntry, EndorsementStore } from "../endorsements/fetch-cache.ts";

export interface DiskStoreOptions {
  readonly directory: string;
  /** Entries (1,024). */
  readonly maxEntries?: number;
}

/** An entry as people see it. */
export interface StoredEndorsement {
  readonly url: string;
  readonly fetchedAtMs: number;
  readonly byteLength: number;
  /** SHA-256 of the body, hex. */
  readonly digest: string;
}

interface IndexFile extends StoredEndorsement {
  readonly headers: Record<string, string>;
}

const KEY = /^[0-9a-f]{64}$/;
const MAX_BODY_BYTES = 8 << 20;
const MAX_INDEX_BYTES = 256 * 1024;

export interface DiskStore extends EndorsementStore {
  list(): Promise<StoredEndorsement[]>;
}

export function createDiskStore({ directory, maxEntries = 1024 }: DiskStoreOptions): DiskStore {
  const indexPath = (key: string) => join(directory, "requests", `${key}.json`);
  const bodyPath = (digest: string) => join(directory, "bodies", digest);

  async function readIndex(key: string): Promise<IndexFile | undefined> {
    if (!KEY.test(key)) return undefined;
    const text = await readBounded(indexPath(key), MAX_INDEX_BYTES);
    return text && parseIndex(text.toString("utf8"));
  }

  async function keys(): Promise<string[]> {
    const names = await readdir(join(directory, "requests")).catch(() => []);
    return names.map((name) => name.replace(/\.json$/, "")).filter((key) => KEY.test(key));
  }

  /** Bodies that no request names any more go too. */
  async function makeRoom(): Promise<void> {
    const all = await keys();
    if (all.length <= maxEntries) return;
    const aged = await Promise.all(
      all.map(async (key) => ({
        key,
        atMs: (await stat(indexPath(key)).catch(() => undefined))?.mtimeMs ?? 0,
      })),
    );
    aged.sort((a, b) => a.atMs - b.atMs);
    for (const { key } of aged.slice(0, all.length - maxEntries)) await rm(indexPath(key), { force: true });
    const named = new Set((await Promise.all((await keys()).map(readIndex))).map((index) => index?.digest));
    for (const digest of await readdir(join(directory, "bodies"))) {
      if (!named.has(digest)) await rm(bodyPath(digest), { force: true });
    }
  }

  return {
    async read(key) {
      const index = await readIndex(key);
      const body = index && (await readBounded(bodyPath(index.digest), MAX_BODY_BYTES));
      if (!index || !body || toHex(sha256(body)) !== index.digest) return undefined;
      const { headers, url, fetchedAtMs } = index;
      return { body: new Uint8Array(body), headers, url, fetchedAtMs };
    },
    async write(key, { body, headers, url, fetchedAtMs }: CacheEntry) {
      // A full or read-only disk must not cost the answer.
      try {
        const digest = toHex(sha256(body));
        const index: IndexFile = {
          url,
          fetchedAtMs,
          byteLength: body.length,
          digest,
          headers: { ...headers },
        };
        for (const folder of ["bodies", "requests"]) {
          await mkdir(join(directory, folder), { recursive: true, mode: 0o700 });
        }
        await replace(bodyPath(digest), body);
        await replace(indexPath(key), Buffer.from(JSON.stringify(index)));
        await makeRoom();
      } catch {
        return;
      }
    },
    async list() {
      const found = await Promise.all((await keys()).map(readIndex));
      return found
        .filter((index) => index !== undefined)
        .map(({ url, fetchedAtMs, byteLength, digest }) => ({ url, fetchedAtMs, byteLength, digest }))
        .toSorted((a, b) => a.url.localeCompare(b.url));
    },
  };
}

/** Whole or not at all, whoever else writes. */
async function replace(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString("hex")}`;
  await writeFile(temporary, bytes, { mode: 0o600, flag: "wx" });
  await rename(temporary, path);
}

async function readBounded(path: string, maxBytes: number): Promise<Buffer | undefined> {
  try {
    const file = await open(path, "r");
    try {
      if ((await file.stat()).size > maxBytes) return undefined;
      return await file.readFile();
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}

function parseIndex(text: string): IndexFile | undefined {
  try {
    const value = JSON.parse(text) as Partial<IndexFile> | null;
    const isWhole =
      typeof value?.url === "string" &&
      typeof value.digest === "string" &&
      KEY.test(value.digest) &&
      Number.isFinite(value.fetchedAtMs) &&
      Number.isFinite(value.byteLength) &&
      typeof value.headers === "object" &&
      value.headers !== null &&
      Object.values(value.headers).every((member) => typeof member === "string");
    return isWhole ? (value as IndexFile) : undefined;
  } catch {
    return undefined;
  }
}
