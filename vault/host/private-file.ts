/**
 * Small private files in the working directory, which is the key directory. Names are relative, so that nothing above
 * it must be open to the vault's user.
 *
 * A write goes to `NAME.new` first and is renamed when it is on disk: after a crash either the old or the new content
 * is there, whole, and a leftover `NAME.new` is overwritten by the next write.
 */
import { constants } from "node:fs";
import { open, rename, type FileHandle } from "node:fs/promises";
import { VaultError } from "../error.ts";

const { O_CREAT, O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_RDWR, O_TRUNC, O_WRONLY } = constants;

/**
 * The whole file, at most `maxBytes` and one byte of it, or undefined where there is none.
 * @throws VaultError `key_directory_unsafe` for a link, a non-file, another owner or any right for others
 */
export async function readPrivateFile(name: string, maxBytes: number): Promise<Buffer | undefined> {
  const handle = await openOwn(name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!handle) return undefined;
  try {
    await requirePrivate(handle);
    const buffer = Buffer.alloc(maxBytes + 1);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await handle.close();
  }
}

/** Replaces the file; on return, content and name are on disk. */
export async function writePrivateFile(name: string, content: Uint8Array): Promise<void> {
  const temporary = `${name}.new`;
  const handle = await open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW, 0o600);
  try {
    await requirePrivate(handle);
    await handle.writeFile(content);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(temporary, name);
  const directory = await open(".", O_RDONLY | O_DIRECTORY);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Open for reading and writing, made where there is none. @throws VaultError `key_directory_unsafe` */
export async function openPrivateFile(name: string): Promise<FileHandle> {
  const handle = await open(name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK, 0o600);
  await requirePrivate(handle);
  return handle;
}

async function openOwn(name: string, flags: number): Promise<FileHandle | undefined> {
  try {
    return await open(name, flags);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return undefined;
    if (code === "ELOOP" || code === "EACCES" || code === "EMLINK") {
      throw new VaultError("key_directory_unsafe", { cause: error });
    }
    throw error;
  }
}

async function requirePrivate(handle: FileHandle): Promise<void> {
  const status = await handle.stat();
  const mine = status.uid === process.geteuid!();
  if (!status.isFile() || !mine || (status.mode & 0o077) !== 0 || status.nlink > 1) {
    throw new VaultError("key_directory_unsafe");
  }
}
