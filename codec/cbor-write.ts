/** Deterministic CBOR (RFC 8949 section 4.2.1): shortest heads, definite lengths, map keys in bytewise order of their encoding. */
import { concat, utf8 } from "./bytes.ts";
import { CborTagged, type CborValue } from "./cbor.ts";

const MAX_UINT64 = (1n << 64n) - 1n;

/** A head of the given major type in its shortest form. */
function head(major: number, argument: number | bigint): Uint8Array {
  const value = BigInt(argument);
  if (value < 0n || value > MAX_UINT64) throw new RangeError("a CBOR argument is a uint64");
  if (value < 24n) return Uint8Array.of((major << 5) | Number(value));
  const exponent = value < 0x100n ? 0 : value < 0x1_0000n ? 1 : value < 0x1_0000_0000n ? 2 : 3;
  const bytes = new Uint8Array(1 + (1 << exponent));
  bytes[0] = (major << 5) | (24 + exponent);
  for (let i = bytes.length - 1, rest = value; i > 0; i--, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  return bytes;
}

function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length && i < b.length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!;
  return a.length - b.length;
}

/**
 * The one deterministic encoding of a value.
 * @throws RangeError for integers that are neither uint64 nor their negatives, and numbers that are no safe integer
 */
export function encodeCbor(value: CborValue): Uint8Array {
  if (typeof value === "number" || typeof value === "bigint") return integer(value);
  if (typeof value === "boolean") return Uint8Array.of(value ? 0xf5 : 0xf4);
  if (value === null) return Uint8Array.of(0xf6);
  if (value instanceof Uint8Array) return concat(head(2, value.length), value);
  if (value instanceof CborTagged) return concat(head(6, value.tag), encodeCbor(value.value));
  if (Array.isArray(value)) return concat(head(4, value.length), ...value.map(encodeCbor));
  if (value instanceof Map) {
    const entries = [...value].map(([key, member]) => [encodeCbor(key), encodeCbor(member)] as const);
    entries.sort(([a], [b]) => compareBytes(a, b));
    return concat(head(5, entries.length), ...entries.flat());
  }
  const text = utf8(value);
  return concat(head(3, text.length), text);
}

function integer(value: number | bigint): Uint8Array {
  if (typeof value === "number" && !Number.isSafeInteger(value)) throw new RangeError("not a safe integer");
  return value < 0 ? head(1, -1n - BigInt(value)) : head(0, value);
}
