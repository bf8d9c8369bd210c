/** Strict reading of parsed JSON: exact members, bounded lists, one spelling a value. */
import { CodecError, fromBase64, fromHex } from "../codec/index.ts";
import type { ReceiptErrorCode } from "./error.ts";
import { ReceiptError } from "./error.ts";

const UINT64_MAX = 2n ** 64n - 1n;

/** Reads values and refuses what does not fit under one error code; messages name the path, never the value. */
export class Shape {
  readonly #code: ReceiptErrorCode;

  constructor(code: ReceiptErrorCode) {
    this.#code = code;
  }

  fail(path: string, problem: string): never {
    throw new ReceiptError(this.#code, `${path}: ${problem}`);
  }

  /** Parses JSON text of bounded length. */
  json(text: string, maxLength: number): unknown {
    if (text.length > maxLength) this.fail("document", `longer than ${maxLength} characters`);
    try {
      return JSON.parse(text);
    } catch (cause) {
      throw new ReceiptError(this.#code, "document: not JSON", { cause });
    }
  }

  /** An object with exactly these members. */
  object<N extends string>(value: unknown, names: readonly N[], path: string): Record<N, unknown> {
    if (typeof value !== "object" || value === null || Array.isArray(value)) this.fail(path, "not an object");
    for (const name of names) {
      if (!Object.hasOwn(value, name)) this.fail(path, `member ${name} is missing`);
    }
    if (Object.keys(value).length !== names.length) this.fail(path, "unknown members");
    return value as Record<N, unknown>;
  }

  list(value: unknown, maxLength: number, path: string): unknown[] {
    if (!Array.isArray(value) || value.length > maxLength)
      this.fail(path, `not a list of at most ${maxLength}`);
    return value;
  }

  text(value: unknown, maxLength: number, path: string): string {
    if (typeof value !== "string" || value.length > maxLength || !value.isWellFormed()) {
      this.fail(path, `not well-formed text of at most ${maxLength} characters`);
    }
    return value;
  }

  /** Visible ASCII without spaces, plus, quotes or backslashes, 1 to `maxLength` characters: names of keys, logs and domains. */
  token(value: unknown, maxLength: number, path: string): string {
    const text = this.text(value, maxLength, path);
    if (!/^[!#-*,-[\]-~]+$/.test(text))
      this.fail(path, "not visible ASCII without spaces, plus, quotes or backslashes");
    return text;
  }

  integer(value: unknown, min: number, max: number, path: string): number {
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < min || value > max) {
      this.fail(path, `not an integer from ${min} to ${max}`);
    }
    return value;
  }

  boolean(value: unknown, path: string): boolean {
    if (typeof value !== "boolean") this.fail(path, "not a boolean");
    return value;
  }

  /** A uint64 as decimal text without leading zeroes. */
  uint64(value: unknown, path: string): bigint {
    const text = this.text(value, 20, path);
    if (!/^(0|[1-9][0-9]*)$/.test(text)) this.fail(path, "not a decimal number");
    const number = BigInt(text);
    if (number > UINT64_MAX) this.fail(path, "above 2^64 - 1");
    return number;
  }

  #decode(decode: () => Uint8Array, path: string): Uint8Array {
    try {
      return decode();
    } catch (error) {
      if (error instanceof CodecError) this.fail(path, error.message);
      throw error;
    }
  }

  /** Lower-case hex of a known length behind a fixed prefix (`0x` or nothing). */
  hex(value: unknown, byteLength: number, path: string, prefix: "0x" | "" = "0x"): Uint8Array {
    const text = this.text(value, prefix.length + 2 * byteLength, path);
    const digits = text.slice(prefix.length);
    if (!text.startsWith(prefix) || digits.length !== 2 * byteLength || !/^[0-9a-f]*$/.test(digits)) {
      this.fail(path, `not ${byteLength} bytes of lower-case hex`);
    }
    return this.#decode(() => fromHex(digits), path);
  }

  base64(value: unknown, maxBytes: number, path: string): Uint8Array {
    const text = this.text(value, 4 * Math.ceil(maxBytes / 3), path);
    return this.#decode(() => fromBase64(text), path);
  }
}
