/**
 * The layouts of the vault's messages, built from a handful of shapes. Integers are little-endian, lengths come
 * first and are bounded by the shape, nothing is optional but what says so, and a message must end where its shape does.
 */
import { CodecError, fromUtf8, utf8 } from "../../codec/index.ts";
import { errorNumber, errorOfNumber, VaultError } from "../error.ts";

export interface Shape<T> {
  write(parts: Uint8Array[], value: T): void;
  read(cursor: Cursor): T;
}

/** A position in a hostile message. */
export class Cursor {
  readonly #bytes: Buffer;
  #offset = 0;

  constructor(message: Buffer) {
    this.#bytes = message;
  }

  /** A view of the next bytes. @throws VaultError `malformed` where there are fewer */
  take(byteLength: number): Buffer {
    const end = this.#offset + byteLength;
    if (end > this.#bytes.length) throw new VaultError("malformed");
    const view = this.#bytes.subarray(this.#offset, end);
    this.#offset = end;
    return view;
  }

  get done(): boolean {
    return this.#offset === this.#bytes.length;
  }

  end(): void {
    if (!this.done) throw new VaultError("malformed");
  }
}

export function encode<T>(shape: Shape<T>, value: T): Uint8Array {
  const parts: Uint8Array[] = [];
  shape.write(parts, value);
  return parts.length === 1 ? parts[0]! : Buffer.concat(parts);
}

/** @throws VaultError `malformed` */
export function decode<T>(shape: Shape<T>, message: Buffer): T {
  const cursor = new Cursor(message);
  const value = shape.read(cursor);
  cursor.end();
  return value;
}

function unsigned(byteLength: 1 | 2 | 4): Shape<number> {
  return {
    write(parts, value) {
      if (!Number.isInteger(value) || value < 0 || value >= 2 ** (8 * byteLength)) {
        throw new VaultError("malformed");
      }
      const encoded = Buffer.allocUnsafe(byteLength);
      encoded.writeUIntLE(value, 0, byteLength);
      parts.push(encoded);
    },
    read: (cursor) => cursor.take(byteLength).readUIntLE(0, byteLength),
  };
}

export const u8 = unsigned(1);
export const u16 = unsigned(2);
export const u32 = unsigned(4);

export const u64: Shape<bigint> = {
  write(parts, value) {
    if (typeof value !== "bigint" || value < 0n || value >= 1n << 64n) throw new VaultError("malformed");
    const encoded = Buffer.allocUnsafe(8);
    encoded.writeBigUInt64LE(value);
    parts.push(encoded);
  },
  read: (cursor) => cursor.take(8).readBigUInt64LE(),
};

export const flag: Shape<boolean> = {
  write: (parts, value) => u8.write(parts, value ? 1 : 0),
  read(cursor) {
    const value = u8.read(cursor);
    if (value > 1) throw new VaultError("malformed");
    return value === 1;
  },
};

/** Exactly so many bytes, copied out on reading. */
export function bytes(byteLength: number): Shape<Uint8Array> {
  return {
    write(parts, value) {
      if (!(value instanceof Uint8Array) || value.length !== byteLength) throw new VaultError("malformed");
      parts.push(value);
    },
    read: (cursor) => new Uint8Array(cursor.take(byteLength)),
  };
}

/** Up to `maxBytes` bytes after their u32 length, copied out on reading. */
export function block(maxBytes: number): Shape<Uint8Array> {
  return {
    write(parts, value) {
      if (!(value instanceof Uint8Array)) throw new VaultError("malformed");
      if (value.length > maxBytes) throw new VaultError("request_too_large");
      u32.write(parts, value.length);
      parts.push(value);
    },
    read(cursor) {
      const byteLength = u32.read(cursor);
      if (byteLength > maxBytes) throw new VaultError("request_too_large");
      return new Uint8Array(cursor.take(byteLength));
    },
  };
}

/** UTF-8 text as a block. */
export function text(maxBytes: number): Shape<string> {
  const inner = block(maxBytes);
  return {
    write: (parts, value) => inner.write(parts, utf8(value)),
    read(cursor) {
      try {
        return fromUtf8(inner.read(cursor));
      } catch (error) {
        throw error instanceof CodecError ? new VaultError("malformed") : error;
      }
    },
  };
}

/** Up to `maxCount` values after their u16 count. */
export function list<T>(item: Shape<T>, maxCount: number): Shape<readonly T[]> {
  return {
    write(parts, values) {
      if (values.length > maxCount) throw new VaultError("request_too_large");
      u16.write(parts, values.length);
      for (const value of values) item.write(parts, value);
    },
    read(cursor) {
      const count = u16.read(cursor);
      if (count > maxCount) throw new VaultError("request_too_large");
      return Array.from({ length: count }, () => item.read(cursor));
    },
  };
}

export function nullable<T>(inner: Shape<T>): Shape<T | null> {
  return {
    write(parts, value) {
      flag.write(parts, value !== null);
      if (value !== null) inner.write(parts, value);
    },
    read: (cursor) => (flag.read(cursor) ? inner.read(cursor) : null),
  };
}

/** The members one after another, in the order written here. */
export function record<T extends object>(members: { [K in keyof T]: Shape<T[K]> }): Shape<T> {
  const entries = Object.entries(members) as [keyof T & string, Shape<unknown>][];
  return {
    write(parts, value) {
      for (const [name, shape] of entries) shape.write(parts, value[name]);
    },
    read(cursor) {
      const value: Record<string, unknown> = {};
      for (const [name, shape] of entries) value[name] = shape.read(cursor);
      return value as T;
    },
  };
}

/** A zero byte and a value, or an error's number. */
export function outcome<T>(inner: Shape<T>): Shape<T | VaultError> {
  return {
    write(parts, value) {
      if (value instanceof VaultError) {
        u8.write(parts, errorNumber(value.code));
        return;
      }
      u8.write(parts, 0);
      inner.write(parts, value);
    },
    read(cursor) {
      const number = u8.read(cursor);
      return number === 0 ? inner.read(cursor) : errorOfNumber(number);
    },
  };
}
