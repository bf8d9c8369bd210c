/**
 * The log: JSON lines that hold no input, output, key, token, nonce or salt. Three layers see to it: callers log named
 * facts only, errors lose their message unless its class promises a clean one, and names that hold secrets are censored.
 */
import { pino } from "pino";
import type { DestinationStream, Logger } from "pino";

/** Members that never hold anything fit for a log, here and one level down. */
const SECRET_MEMBERS = new Set([
  "authorization",
  "apiKey",
  "key",
  "token",
  "nonce",
  "salt",
  "password",
  "secret",
  "cookie",
  "headers",
  "query",
  "url",
  "body",
  "inputs",
  "outputs",
]);

/** Pino's own redaction by paths with wildcards costs more than the rest of a request's line together. */
function censor(fields: Record<string, unknown>, depth = 0): Record<string, unknown> {
  const clean: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (SECRET_MEMBERS.has(name)) clean[name] = "[removed]";
    else if (depth === 0 && isPlain(value)) clean[name] = censor(value, 1);
    else clean[name] = value;
  }
  return clean;
}

function isPlain(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

/** Classes whose messages are our own words and hold no values. */
const CLEAN_ERRORS = new Set(["VaultError", "DatabaseError", "ConfigError"]);

/**
 * What may be said of an error: its class, its codes, where it was thrown. A message may quote what a caller sent. Whoever logs gives
 * the error itself as `err`.
 */
export function describeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { name: typeof error };
  const { code, detail } = error as { code?: unknown; detail?: unknown };
  return {
    name: error.name.slice(0, 64),
    ...(isCode(code) && { code }),
    ...(isCode(detail) && { detail }),
    ...(CLEAN_ERRORS.has(error.name) && { message: error.message }),
    frames: stackFrames(error.stack),
    ...(error.cause !== undefined && { cause: causeOf(error.cause) }),
  };
}

/** A word of our own, never text. */
function isCode(value: unknown): value is string {
  return typeof value === "string" && /^\w{1,64}$/.test(value);
}

function causeOf(cause: unknown): Record<string, unknown> {
  if (!(cause instanceof Error)) return { name: typeof cause };
  return { name: cause.name.slice(0, 64), frames: stackFrames(cause.stack) };
}

/** Lines of a stack without its first lines, which repeat the message. */
function stackFrames(stack: string | undefined): string[] {
  const lines = (stack ?? "").split("\n");
  return lines
    .filter((line) => line.startsWith("    at "))
    .slice(0, 12)
    .map((line) => line.trim());
}

export function createLogger(options: { level: string; destination?: DestinationStream }): Logger {
  return pino(
    {
      level: options.level,
      base: { service: "affidavit" },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: (fields) => censor(fields) },
      serializers: { err: describeError, error: describeError },
    },
    options.destination ?? pino.destination({ fd: 1, sync: true }),
  );
}
