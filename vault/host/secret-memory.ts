/**
 * Where the vault's lasting keys lie: pages of their own outside V8's heap, whose collector moves and copies what it holds. On Linux and
 * macOS they are locked against swapping; on Linux they are also left out of core files and of forked processes. What is computed
 * with a key is copied by whoever computes: docs/threat-model.md.
 */
import { load, view, type LibraryHandle } from "koffi";

const PAGE_BYTES = 4096;
const SECRET_BYTES = 32;
/** sys/mman.h: PROT_READ | PROT_WRITE. */
const READ_WRITE = 3;
/** MAP_PRIVATE | MAP_ANONYMOUS. */
const ANONYMOUS = process.platform === "darwin" ? 0x1002 : 0x22;
const MADV_DONTFORK = 10;
const MADV_DONTDUMP = 16;

let page: { bytes: Uint8Array; used: number } | undefined;
let locked = true;

/** Whether every page so far could be locked. */
export function secretsAreLocked(): boolean {
  return locked;
}

/**
 * Moves a key into such a page: the bytes that are handed in are zeros afterwards.
 * @param secret 32 bytes
 */
export function keepSecret(secret: Uint8Array): Uint8Array {
  if (secret.length !== SECRET_BYTES) throw new RangeError("a secret has 32 bytes");
  if (!page || page.used === PAGE_BYTES) page = { bytes: newPage(), used: 0 };
  const kept = page.bytes.subarray(page.used, page.used + SECRET_BYTES);
  page.used += SECRET_BYTES;
  kept.set(secret);
  secret.fill(0);
  return kept;
}

function newPage(): Uint8Array {
  try {
    const bytes = mapped(load(null));
    if (bytes) return bytes;
  } catch {
    // No such functions here.
  }
  locked = false;
  return new Uint8Array(new ArrayBuffer(PAGE_BYTES));
}

/** @returns undefined where the kernel locks no more */
function mapped(libc: LibraryHandle): Uint8Array | undefined {
  const at: unknown = libc.func("void *mmap(void *, size_t, int, int, int, long)")(
    null,
    PAGE_BYTES,
    READ_WRITE,
    ANONYMOUS,
    -1,
    0,
  );
  if (libc.func("int mlock(void *, size_t)")(at, PAGE_BYTES) !== 0) return undefined;
  if (process.platform === "linux") {
    const madvise = libc.func("int madvise(void *, size_t, int)");
    for (const advice of [MADV_DONTDUMP, MADV_DONTFORK])
      if (madvise(at, PAGE_BYTES, advice) !== 0) return undefined;
  }
  return new Uint8Array(view(at as Parameters<typeof view>[0], PAGE_BYTES));
}
