/**
 * Tar archives (POSIX.1-1988 ustar) of regular files, as audit bundles are: written with no owner and no time, so that
 * the same files give the same bytes, and read strictly, so that no two programs see different files.
 */
import { fromUtf8, utf8 } from "../../codec/index.ts";
import { AuditError } from "./error.ts";

const BLOCK = 512;
const NAME = /^[a-z0-9][a-z0-9.-]*(\/[a-z0-9][a-z0-9.-]*){0,3}$/;
const MAX_NAME_LENGTH = 100;
const MAX_FILES = 200_000;

export interface TarFile {
  /** Lower-case letters, digits, dots and hyphens, at most three slashes between them, 100 characters. */
  name: string;
  bytes: Uint8Array;
}

function checksum(header: Uint8Array): number {
  // The field itself counts as spaces.
  return header.reduce((sum, byte, i) => sum + (i >= 148 && i < 156 ? 32 : byte), 0);
}

function octal(value: number, digits: number): Uint8Array {
  return utf8(`${value.toString(8).padStart(digits, "0")}\0`);
}

function headerOf(name: string, size: number): Uint8Array {
  if (name.length > MAX_NAME_LENGTH || !NAME.test(name))
    throw new AuditError("archive_invalid", "a file's name");
  const header = new Uint8Array(BLOCK);
  header.set(utf8(name), 0);
  header.set(octal(0o644, 7), 100);
  header.set(octal(0, 7), 108);
  header.set(octal(0, 7), 116);
  header.set(octal(size, 11), 124);
  header.set(octal(0, 11), 136);
  header[156] = 0x30;
  header.set(utf8("ustar\x0000"), 257);
  header.set(utf8(`${checksum(header).toString(8).padStart(6, "0")}\0 `), 148);
  return header;
}

/** @throws AuditError `archive_invalid` for a name that is not allowed */
export function writeTar(files: readonly TarFile[]): Uint8Array {
  const length = files.reduce(
    (sum, { bytes }) => sum + BLOCK + Math.ceil(bytes.length / BLOCK) * BLOCK,
    2 * BLOCK,
  );
  const archive = new Uint8Array(length);
  let offset = 0;
  for (const { name, bytes } of files) {
    archive.set(headerOf(name, bytes.length), offset);
    archive.set(bytes, offset + BLOCK);
    offset += BLOCK + Math.ceil(bytes.length / BLOCK) * BLOCK;
  }
  return archive;
}

function invalid(message: string): AuditError {
  return new AuditError("archive_invalid", message);
}

function readHeader(header: Uint8Array): { name: string; size: number } {
  const size = /^([0-7]{11})\0$/.exec(fromUtf8(header.subarray(124, 136)))?.[1];
  const name = fromUtf8(header.subarray(0, MAX_NAME_LENGTH)).replace(/\0+$/, "");
  if (size === undefined || !NAME.test(name)) throw invalid("a header that no audit bundle has");
  const bytes = Number.parseInt(size, 8);
  const own = headerOf(name, bytes);
  // Only the one spelling that `writeTar` makes: links, owners and long names have no place here.
  if (own.some((byte, i) => byte !== header[i])) throw invalid("a header that no audit bundle has");
  return { name, size: bytes };
}

/**
 * The files by name, as views of the archive.
 * @throws AuditError `archive_invalid`
 */
export function readTar(archive: Uint8Array): Map<string, Uint8Array> {
  const files = new Map<string, Uint8Array>();
  let offset = 0;
  for (;;) {
    const header = archive.subarray(offset, offset + BLOCK);
    if (header.length < BLOCK) throw invalid("the archive is cut off");
    if (header.every((byte) => byte === 0)) break;
    const { name, size } = readMember(header);
    const end = offset + BLOCK + size;
    if (end > archive.length) throw invalid("a file is cut off");
    if (files.has(name) || files.size >= MAX_FILES)
      throw invalid("a file appears twice, or there are too many");
    files.set(name, archive.subarray(offset + BLOCK, end));
    offset += BLOCK + Math.ceil(size / BLOCK) * BLOCK;
  }
  const rest = archive.subarray(offset);
  if (rest.length !== 2 * BLOCK || rest.some((byte) => byte !== 0))
    throw invalid("something follows the archive's end");
  return files;
}

function readMember(header: Uint8Array): { name: string; size: number } {
  try {
    return readHeader(header);
  } catch (cause) {
    if (cause instanceof AuditError) throw cause;
    throw new AuditError("archive_invalid", "a header that is not text", { cause });
  }
}
