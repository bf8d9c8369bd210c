/** What every command shares: flags, files, one-line JSON, exit codes. */
import { createReadStream } from "node:fs";
import type { Readable } from "node:stream";
import { parseArgs, type ParseArgsConfig } from "node:util";
import { AffidavitError } from "../errors.ts";
import { printable } from "./output.ts";

export interface Command {
  summary: string;
  help: string;
  run(words: string[]): Promise<number>;
}

/** Bad flags or an unreadable file: exit 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  readonly code: "usage" | "file_unreadable" | "file_too_large";
  constructor(message: string, code: UsageError["code"] = "usage") {
    super(message);
    this.code = code;
  }
}

/** A no that is not the client's: exit 1, with the code of whoever said it. */
export class RefusedError extends Error {
  override readonly name = "RefusedError";
  readonly code: string;
  constructor(code: string, message: string, options?: { cause: unknown }) {
    super(message, options);
    this.code = code;
  }
}

/** Flags strictly parsed: an unknown flag is an error. */
export function flags<Options extends NonNullable<ParseArgsConfig["options"]>>(
  words: string[],
  options: Options,
) {
  try {
    return parseArgs({ args: words, options, allowPositionals: true, strict: true });
  } catch (cause) {
    throw new UsageError(cause instanceof Error ? cause.message : "bad flags");
  }
}

export function onlyPositional(positionals: string[], what: string): string {
  const [first, ...more] = positionals;
  if (first === undefined || more.length > 0) throw new UsageError(`give exactly one ${what}`);
  return first;
}

/**
 * A file, or standard input for `-`; never more than a part beyond the limit is held.
 * @throws UsageError `file_unreadable`, `file_too_large`
 */
export async function readInput(path: string, maxBytes: number): Promise<Uint8Array> {
  const stream = path === "-" ? process.stdin : createReadStream(path, { end: maxBytes });
  try {
    return await readBounded(stream, path, maxBytes);
  } catch (cause) {
    if (cause instanceof UsageError) throw cause;
    throw new UsageError(`cannot read ${path}: ${(cause as Error).message}`, "file_unreadable");
  }
}

async function readBounded(stream: Readable, path: string, maxBytes: number): Promise<Uint8Array> {
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of stream) {
    length += (part as Buffer).length;
    if (length > maxBytes) throw new UsageError(`${path} is larger than ${maxBytes} bytes`, "file_too_large");
    parts.push(part as Buffer);
  }
  return Buffer.concat(parts);
}

/** One line on standard output. */
export function printJson(value: unknown): void {
  process.stdout.write(
    JSON.stringify(value, (_, member) => (typeof member === "bigint" ? member.toString() : member)) + "\n",
  );
}

/** Says what went wrong in the form asked for, and returns the exit status. */
export function failure(error: unknown, json: boolean): number {
  const status = exitStatus(error);
  const code = codeOf(error);
  // A server's words may be in it.
  const message = printable(error instanceof Error ? error.message : String(error), 1000);
  const advice = error instanceof AffidavitError ? error.advice : undefined;
  if (json) printJson({ ok: false, code, message, ...(advice ? { advice } : {}), ...detailsOf(error) });
  else process.stderr.write(`affidavit: ${message} [${code}]\n${advice ? `  ${advice}\n` : ""}`);
  return status;
}

function detailsOf(error: unknown): object {
  if (!(error instanceof AffidavitError)) return {};
  return { kind: error.code, ...(error.verification ? { steps: error.verification.steps } : {}) };
}

/** The most exact code there is: a failed step's or a problem's before the client's own. */
function codeOf(error: unknown): string {
  if (error instanceof AffidavitError && error.detail !== undefined) return error.detail;
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "internal";
}

function exitStatus(error: unknown): number {
  if (error instanceof UsageError) return 2;
  if (error instanceof AffidavitError || error instanceof RefusedError) return 1;
  return 3;
}
