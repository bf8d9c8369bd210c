/** Deterministic CBOR (RFC 8949 section 4.2.1): shortest heads, definite lengths, map keys in bytewise order of their encoding. */
import { utf8 } from "./bytes.ts";
import { CborTagged, type CborMap, type CborValue } from "./cbor.ts";

const MAX_UINT64 = (1n << 64n) - 1n;

/** Signatures wait for what is written here, so it writes into one buffer and leaves big integers to those who need them. */
class Writer {
  #bytes: Uint8Array<ArrayBuffer>;
  #view: DataView;
  #length = 0;

  constructor(byteLength: number) {
    this.#bytes = new Uint8Array(byteLength);
    this.#view = new DataView(this.#bytes.buffer);
  }

  result(): Uint8Array {
    return this.#bytes.slice(0, this.#length);
  }

  #reserve(byteLength: number): number {
    const start = this.#length;
    this.#length += byteLength;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(this.#length, 2 * this.#bytes.length));
      larger.set(this.#bytes);
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return start;
  }

  #byte(value: number): void {
    const at = this.#reserve(1);
    this.#bytes[at] = value;
  }

  /** A head of the given major type in its shortest form. */
  #head(major: number, argument: number | bigint): void {
    const type = major << 5;
    if (argument < 24) {
      this.#byte(type | Number(argument));
    } else if (argument < 0x100) {
      this.#byte(type | 24);
      this.#byte(Number(argument));
    } else if (argument < 0x1_0000) {
      this.#byte(type | 25);
      const at = this.#reserve(2);
      this.#view.setUint16(at, Number(argument));
    } else if (argument < 0x1_0000_0000) {
      this.#byte(type | 26);
      const at = this.#reserve(4);
      this.#view.setUint32(at, Number(argument));
    } else {
      if (argument > MAX_UINT64) throw new RangeError("a CBOR argument is a uint64");
      this.#byte(type | 27);
      const at = this.#reserve(8);
      this.#view.setBigUint64(at, BigInt(argument));
    }
  }

  raw(bytes: Uint8Array): void {
    const at = this.#reserve(bytes.length);
    this.#bytes.set(bytes, at);
  }

  value(value: CborValue): void {
    if (typeof value === "number" || typeof value === "bigint") this.#integer(value);
    else if (typeof value === "string") this.#text(value);
    else if (value instanceof Uint8Array) {
      this.#head(2, value.length);
      this.raw(value);
    } else if (value === null) this.#byte(0xf6);
    else if (typeof value === "boolean") this.#byte(value ? 0xf5 : 0xf4);
    else if (value instanceof Map) this.#map(value);
    else if (value instanceof CborTagged) {
      this.#head(6, value.tag);
      this.value(value.value);
    } else {
      this.#head(4, value.length);
      for (const element of value) this.value(element);
    }
  }

  #text(value: string): void {
    if (/^[ -~]{0,64}$/.test(value)) {
      this.#head(3, value.length);
      const at = this.#reserve(value.length);
      for (let i = 0; i < value.length; i++) this.#bytes[at + i] = value.charCodeAt(i);
      return;
    }
    const text = utf8(value);
    this.#head(3, text.length);
    this.raw(text);
  }

  #integer(value: number | bigint): void {
    if (typeof value === "number" && !Number.isSafeInteger(value)) throw new RangeError("not a safe integer");
    if (value >= 0) this.#head(0, value);
    else this.#head(1, typeof value === "number" ? -1 - value : -1n - value);
  }

  #map(map: CborMap): void {
    const keys = new Writer(256);
    const ends: number[] = [];
    for (const key of map.keys()) {
      keys.value(key);
      ends.push(keys.#length);
    }
    const entries = [...map.values()].map((member, i) => ({
      key: keys.#bytes.subarray(i === 0 ? 0 : ends[i - 1], ends[i]),
      member,
    }));
    entries.sort((a, b) => compareBytes(a.key, b.key));
    this.#head(5, entries.length);
    for (const { key, member } of entries) {
      this.raw(key);
      this.value(member);
    }
  }
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
  const writer = new Writer(1024);
  writer.value(value);
  return writer.result();
}
