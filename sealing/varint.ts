/** Variable-length integers (RFC 9000 section 16), and a position in a hostile message made of them. */
import { SealingError } from "./error.ts";

/** @throws RangeError above 2^30: nothing here is as long */
export function encodeVarint(value: number): Uint8Array {
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** 30)
    throw new RangeError("a length below 2^30 is wanted");
  if (value < 64) return Uint8Array.of(value);
  if (value < 16_384) return Uint8Array.of(0x40 | (value >> 8), value & 0xff);
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, (0x80000000 | value) >>> 0);
  return bytes;
}

export class Reader {
  readonly #bytes: Uint8Array;
  #offset = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.#offset;
  }

  /** @throws SealingError `bhttp_invalid` where the message is shorter */
  take(byteLength: number): Uint8Array {
    if (byteLength > this.left) throw new SealingError("bhttp_invalid", "the message is cut off");
    this.#offset += byteLength;
    return this.#bytes.subarray(this.#offset - byteLength, this.#offset);
  }

  /** Any of the encodings of a value, as RFC 9000 allows. @throws SealingError `bhttp_invalid` */
  varint(): number {
    const first = this.take(1)[0]!;
    let value = first & 0x3f;
    for (const byte of this.take((1 << (first >> 6)) - 1)) value = value * 256 + byte;
    if (value > Number.MAX_SAFE_INTEGER)
      throw new SealingError("bhttp_invalid", "a length is longer than any message");
    return value;
  }

  /** A length and so many bytes; nothing at all where the message ends before it. @throws SealingError `bhttp_invalid` */
  block(maxBytes: number): Uint8Array {
    if (this.left === 0) return new Uint8Array(0);
    const length = this.varint();
    if (length > maxBytes) throw new SealingError("bhttp_invalid", "a part of the message is too long");
    return this.take(length);
  }

  rest(): Uint8Array {
    return this.take(this.left);
  }
}
