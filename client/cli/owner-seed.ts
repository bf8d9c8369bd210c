/** An owner's Ed25519 key from a file. */
import { readFile } from "node:fs/promises";
import { CodecError, fromHex } from "../../codec/index.ts";
import { UsageError } from "./command.ts";

/**
 * The seed of RFC 8032, 32 bytes, from 64 hex digits.
 * @throws UsageError `file_unreadable`; what the file holds is in no message
 */
export async function readOwnerSeed(path: string): Promise<Uint8Array> {
  try {
    return fromHex((await readFile(path, "utf8")).trim(), 32);
  } catch (cause) {
    const why = cause instanceof CodecError ? "it is not 64 hex digits" : (cause as Error).message;
    throw new UsageError(`cannot use ${path}: ${why}`, "file_unreadable");
  }
}
