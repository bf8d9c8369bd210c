/** A strict, bounded reader of the part of MessagePack that attestations use: no floats, no extensions, text keys. */
import { CodecError, fromUtf8 } from "../../codec/index.ts";
import { ByteReader } from "./byte-reader.ts";

export type MsgpackValue =
  | null
  | boolean
  | number
  | string
  | Uint8Array
  | readonly MsgpackValue[]
  | ReadonlyMap<string, MsgpackValue>;

export interface MsgpackLimits {
  readonly maxDepth: number;
  /** Values in all. */
  readonly maxItems: number;
}

class Decoder {
  private readonly reader: ByteReader;
  private readonly fail: (message: string) => never;
  private itemsLeft: number;

  constructor(reader: ByteReader, limits: MsgpackLimits, fail: (message: string) => never) {
    this.reader = reader;
    this.itemsLeft = limits.maxItems;
    this.fail = fail;
  }

  value(depthLeft: number): MsgpackValue {
    if (this.itemsLeft-- <= 0) this.fail("too many values");
    const head = this.reader.u8();
    if (head < 0x80) return head;
    if (head < 0x90) return this.map(head & 15, depthLeft);
    if (head < 0xa0) return this.list(head & 15, depthLeft);
    if (head < 0xc0) return this.text(head & 31);
    if (head === 0xc0) return null;
    if (head === 0xc2 || head === 0xc3) return head === 0xc3;
    if (head >= 0xc4 && head <= 0xc6) return this.reader.take(this.length(head - 0xc4));
    if (head >= 0xcc && head <= 0xcf) return this.unsigned(1 << (head - 0xcc));
    if (head >= 0xd9 && head <= 0xdb) return this.text(this.length(head - 0xd9));
    if (head === 0xdc || head === 0xdd) return this.list(this.length(head - 0xdb), depthLeft);
    if (head === 0xde || head === 0xdf) return this.map(this.length(head - 0xdd), depthLeft);
    return this.fail("a value of an unsupported type");
  }

  /** A length in 1, 2 or 4 bytes, for width 0, 1 and 2. */
  private length(width: number): number {
    return this.reader.uintBigEndian(1 << width);
  }

  private unsigned(byteLength: number): number {
    if (byteLength < 8) return this.reader.uintBigEndian(byteLength);
    const high = this.reader.uintBigEndian(4);
    if (high >= 2 ** 21) this.fail("a number beyond 2^53");
    return high * 2 ** 32 + this.reader.uintBigEndian(4);
  }

  private text(byteLength: number): string {
    try {
      return fromUtf8(this.reader.take(byteLength));
    } catch (error) {
      if (error instanceof CodecError) this.fail("a text is not UTF-8");
      throw error;
    }
  }

  private list(count: number, depthLeft: number): readonly MsgpackValue[] {
    if (depthLeft === 0) this.fail("nested too deep");
    const values: MsgpackValue[] = [];
    for (let i = 0; i < count; i++) values.push(this.value(depthLeft - 1));
    return values;
  }

  private map(count: number, depthLeft: number): ReadonlyMap<string, MsgpackValue> {
    if (depthLeft === 0) this.fail("nested too deep");
    const members = new Map<string, MsgpackValue>();
    for (let i = 0; i < count; i++) {
      const key = this.value(0);
      if (typeof key !== "string" || members.has(key)) this.fail("a key is no text, or there twice");
      members.set(key, this.value(depthLeft - 1));
    }
    return members;
  }
}

/**
 * One value, and nothing after it.
 * @param fail throws the caller's error
 */
export function decodeMsgpack(
  bytes: Uint8Array,
  limits: MsgpackLimits,
  fail: (message: string) => never,
): MsgpackValue {
  const reader = new ByteReader(bytes, fail);
  const value = new Decoder(reader, limits, fail).value(limits.maxDepth);
  reader.finish();
  return value;
}
