/**
 * A strict, bounded reader of CBOR (RFC 8949): definite lengths, every head in its shortest form, map keys that are
 * integers or text and occur once, no floats, no bytes after the value. Map keys need not be sorted: signers whose
 * documents are read here do not sort them; compare with `encodeCbor` where they must be. Byte strings are views of the input, not copies.
 */
import { CodecError, fromUtf8 } from "./bytes.ts";

export type CborErrorCode = "cbor_truncated" | "cbor_malformed" | "cbor_not_strict" | "cbor_limit";

export class CborError extends Error {
  override readonly name = "CborError";
  readonly code: CborErrorCode;
  constructor(code: CborErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

/** Integers beyond 2^53 are bigints, all others numbers. */
export type CborKey = number | bigint | string;
export type CborValue = CborKey | boolean | null | Uint8Array | CborValue[] | CborMap | CborTagged;
export type CborMap = Map<CborKey, CborValue>;

export class CborTagged {
  readonly tag: number | bigint;
  readonly value: CborValue;
  constructor(tag: number | bigint, value: CborValue) {
    this.tag = tag;
    this.value = value;
  }
}

export interface CborLimits {
  readonly maxBytes: number;
  readonly maxDepth: number;
  /** Values of every kind, keys included. */
  readonly maxItems: number;
}

const DEFAULT_LIMITS: CborLimits = { maxBytes: 65_536, maxDepth: 8, maxItems: 1024 };

class Reader {
  private readonly bytes: Uint8Array;
  private readonly limits: CborLimits;
  private position = 0;
  private items = 0;

  constructor(bytes: Uint8Array, limits: CborLimits) {
    this.bytes = bytes;
    this.limits = limits;
  }

  finish(): void {
    if (this.position !== this.bytes.length)
      throw new CborError("cbor_not_strict", "bytes after the CBOR value");
  }

  value(depth: number): CborValue {
    if (depth > this.limits.maxDepth) throw new CborError("cbor_limit", "CBOR is nested too deeply");
    if (++this.items > this.limits.maxItems) throw new CborError("cbor_limit", "CBOR holds too many values");
    const initial = this.byte();
    const major = initial >> 5;
    if (major === 7) return simpleValue(initial & 0x1f);
    const argument = this.argument(initial & 0x1f);
    if (major === 0) return argument;
    if (major === 1) return typeof argument === "bigint" ? -1n - argument : negative(argument);
    if (major === 2) return this.take(argument);
    if (major === 3) return this.text(argument);
    if (major === 6) return new CborTagged(argument, this.value(depth + 1));
    // Each element takes at least a byte (a map entry two), so a count larger than what is left cannot be honest.
    const left = this.bytes.length - this.position;
    if (argument > (major === 4 ? left : left / 2))
      throw new CborError("cbor_truncated", "CBOR is cut short");
    return major === 4 ? this.array(Number(argument), depth) : this.map(Number(argument), depth);
  }

  private array(count: number, depth: number): CborValue[] {
    const values: CborValue[] = [];
    for (let i = 0; i < count; i++) values.push(this.value(depth + 1));
    return values;
  }

  private map(count: number, depth: number): CborMap {
    const map: CborMap = new Map();
    for (let i = 0; i < count; i++) {
      const key = this.value(depth + 1);
      if (typeof key !== "number" && typeof key !== "bigint" && typeof key !== "string") {
        throw new CborError("cbor_not_strict", "CBOR map key is neither an integer nor text");
      }
      if (map.has(key)) throw new CborError("cbor_not_strict", "CBOR map key occurs twice");
      map.set(key, this.value(depth + 1));
    }
    return map;
  }

  private text(length: number | bigint): string {
    try {
      return fromUtf8(this.take(length));
    } catch (error) {
      if (error instanceof CodecError) throw new CborError("cbor_malformed", "CBOR text is not UTF-8");
      throw error;
    }
  }

  private byte(): number {
    if (this.position >= this.bytes.length) throw new CborError("cbor_truncated", "CBOR is cut short");
    return this.bytes[this.position++]!;
  }

  private take(length: number | bigint): Uint8Array {
    const start = this.position;
    if (length > this.bytes.length - start) throw new CborError("cbor_truncated", "CBOR is cut short");
    this.position = start + Number(length);
    return this.bytes.subarray(start, this.position);
  }

  /** The argument that follows a head (RFC 8949 section 3), refused where a shorter form would do. */
  private argument(info: number): number | bigint {
    if (info < 24) return info;
    if (info === 31) throw new CborError("cbor_not_strict", "CBOR of indefinite length");
    if (info > 27) throw new CborError("cbor_malformed", "reserved CBOR head");
    const width = 1 << (info - 24);
    let value = 0n;
    for (const byte of this.take(width)) value = (value << 8n) | BigInt(byte);
    const least = width === 1 ? 24n : 1n << BigInt(4 * width);
    if (value < least) throw new CborError("cbor_not_strict", "CBOR head is not in its shortest form");
    return value <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(value) : value;
  }
}

function negative(argument: number): number | bigint {
  return argument === Number.MAX_SAFE_INTEGER ? -1n - BigInt(argument) : -1 - argument;
}

function simpleValue(info: number): boolean | null {
  if (info === 20) return false;
  if (info === 21) return true;
  if (info === 22) return null;
  if (info === 31) throw new CborError("cbor_not_strict", "CBOR of indefinite length");
  throw new CborError(
    "cbor_not_strict",
    "CBOR floats and simple values other than true, false and null are not read",
  );
}

/**
 * The one value that these bytes hold.
 * @throws CborError
 */
export function decodeCbor(bytes: Uint8Array, limits: CborLimits = DEFAULT_LIMITS): CborValue {
  if (bytes.length > limits.maxBytes) throw new CborError("cbor_limit", "CBOR is too long");
  const reader = new Reader(bytes, limits);
  const value = reader.value(0);
  reader.finish();
  return value;
}
