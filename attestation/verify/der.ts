/**
 * A strict reader of DER (ITU-T X.690): definite lengths in their shortest form, single-byte tags, values inside
 * their parent. It walks offsets of one buffer and copies nothing; a reader never sees past the end it was given,
 * and each call moves forward, so the time is bounded by the input's length.
 */

export type DerErrorCode = "der_truncated" | "der_length" | "der_tag" | "der_trailing" | "der_value";

export class DerError extends Error {
  override readonly name = "DerError";
  readonly code: DerErrorCode;
  constructor(code: DerErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
  /** Context-specific, constructed. */
  context: (number: number) => 0xa0 | number,
  /** Context-specific, primitive (an IMPLICIT tag over a primitive type). */
  implicit: (number: number) => 0x80 | number,
} as const;

/** One value: `buffer[start..end)` with header, `buffer[content..end)` without. */
export interface DerValue {
  readonly tag: number;
  readonly start: number;
  readonly content: number;
  readonly end: number;
}

const MAX_OID_BYTES = 32;

export class DerReader {
  readonly buffer: Uint8Array;
  readonly end: number;
  private position: number;

  constructor(buffer: Uint8Array, start = 0, end = buffer.length) {
    this.buffer = buffer;
    this.position = start;
    this.end = end;
  }

  /** Whether every byte has been read. */
  get done(): boolean {
    return this.position === this.end;
  }

  /** The next tag, or -1 at the end. */
  peek(): number {
    return this.position < this.end ? this.buffer[this.position]! : -1;
  }

  /** Reads the next value of any tag. @throws DerError */
  any(): DerValue {
    const start = this.position;
    if (start + 2 > this.end) throw new DerError("der_truncated", "DER value is cut short");
    const tag = this.buffer[start]!;
    if ((tag & 0x1f) === 0x1f) throw new DerError("der_tag", "DER tags of several bytes are not read");
    const content = start + this.headerBytes(start);
    const end = content + this.length;
    if (end > this.end) throw new DerError("der_truncated", "DER value is longer than what holds it");
    this.position = end;
    return { tag, start, content, end };
  }

  private length = 0;

  private headerBytes(start: number): number {
    const first = this.buffer[start + 1]!;
    if (first < 0x80) {
      this.length = first;
      return 2;
    }
    const count = first & 0x7f;
    if (count === 0 || count > 3) throw new DerError("der_length", "DER length is indefinite or too large");
    if (start + 2 + count > this.end) throw new DerError("der_truncated", "DER length is cut short");
    let length = 0;
    for (let i = 0; i < count; i++) length = length * 256 + this.buffer[start + 2 + i]!;
    const shortest = count === 1 ? 0x80 : 1 << (8 * (count - 1));
    if (length < shortest) throw new DerError("der_length", "DER length is not in its shortest form");
    this.length = length;
    return 2 + count;
  }

  /** Reads the next value, which must have this tag. @throws DerError */
  value(tag: number): DerValue {
    if (this.peek() !== tag) {
      throw new DerError("der_tag", `expected DER tag ${tag.toString(16)}, got ${this.peek().toString(16)}`);
    }
    return this.any();
  }

  /** Reads the next value if it has this tag. @throws DerError */
  optional(tag: number): DerValue | undefined {
    return this.peek() === tag ? this.any() : undefined;
  }

  /** Enters the next constructed value. @throws DerError */
  enter(tag: number = TAG.sequence): DerReader {
    return this.inside(this.value(tag));
  }

  /** A reader of a value's content. */
  inside(value: DerValue): DerReader {
    return new DerReader(this.buffer, value.content, value.end);
  }

  /** The value with its header, uncopied. */
  bytesOf(value: DerValue): Uint8Array {
    return this.buffer.subarray(value.start, value.end);
  }

  /** The value without its header, uncopied. */
  contentOf(value: DerValue): Uint8Array {
    return this.buffer.subarray(value.content, value.end);
  }

  /** @throws DerError `der_trailing` unless every byte has been read */
  finish(): void {
    if (!this.done) throw new DerError("der_trailing", "bytes after the end of a DER value");
  }

  /** An INTEGER's two's-complement content, big-endian, in its shortest form. @throws DerError */
  integer(): Uint8Array {
    const bytes = this.contentOf(this.value(TAG.integer));
    if (bytes.length === 0) throw new DerError("der_value", "empty INTEGER");
    if (bytes.length > 1 && (bytes[0] === 0 ? bytes[1]! < 0x80 : bytes[0] === 0xff && bytes[1]! >= 0x80)) {
      throw new DerError("der_value", "INTEGER is not in its shortest form");
    }
    return bytes;
  }

  /** A non-negative INTEGER below 2^31. @throws DerError */
  smallInteger(): number {
    const bytes = this.integer();
    if (bytes.length > 4 || bytes[0]! >= 0x80) throw new DerError("der_value", "INTEGER is out of range");
    let value = 0;
    for (const byte of bytes) value = value * 256 + byte;
    return value;
  }

  /** A BOOLEAN. @throws DerError where it is neither 00 nor FF */
  boolean(): boolean {
    const value = this.value(TAG.boolean);
    const byte = this.buffer[value.content];
    if (value.end - value.content !== 1 || (byte !== 0 && byte !== 0xff)) {
      throw new DerError("der_value", "BOOLEAN is neither 00 nor FF");
    }
    return byte === 0xff;
  }

  /** An OCTET STRING's bytes. @throws DerError */
  octets(): Uint8Array {
    return this.contentOf(this.value(TAG.octetString));
  }

  /** A BIT STRING of whole bytes. @throws DerError */
  wholeBits(): Uint8Array {
    const { bytes, unusedBits } = this.bits();
    if (unusedBits !== 0) throw new DerError("der_value", "BIT STRING is not of whole bytes");
    return bytes;
  }

  /** A BIT STRING; its unused bits are zero. @throws DerError */
  bits(): { bytes: Uint8Array; unusedBits: number } {
    const content = this.contentOf(this.value(TAG.bitString));
    const unusedBits = content[0] ?? 8;
    const bytes = content.subarray(1);
    if (unusedBits > 7 || (bytes.length === 0 && unusedBits !== 0)) {
      throw new DerError("der_value", "BIT STRING has a bad count of unused bits");
    }
    if (bytes.length > 0 && (bytes[bytes.length - 1]! & ((1 << unusedBits) - 1)) !== 0) {
      throw new DerError("der_value", "BIT STRING has unused bits set");
    }
    return { bytes, unusedBits };
  }

  /** An OBJECT IDENTIFIER in dotted form. @throws DerError */
  oid(): string {
    return dottedOid(this.contentOf(this.value(TAG.oid)));
  }

  /** A UTCTime or GeneralizedTime in UTC with seconds (RFC 5280 section 4.1.2.5), in seconds since 1970. @throws DerError */
  timeSeconds(): number {
    const value = this.any();
    const bytes = this.contentOf(value);
    if (value.tag === TAG.utcTime && bytes.length === 13) {
      const year = digits(bytes, 0, 2);
      return timeSeconds(bytes, year + (year < 50 ? 2000 : 1900), 2);
    }
    if (value.tag === TAG.generalizedTime && bytes.length === 15)
      return timeSeconds(bytes, digits(bytes, 0, 4), 4);
    throw new DerError("der_value", "not a time in UTC with seconds");
  }
}

function dottedOid(bytes: Uint8Array): string {
  if (bytes.length === 0 || bytes.length > MAX_OID_BYTES || bytes[bytes.length - 1]! >= 0x80) {
    throw new DerError("der_value", "bad OBJECT IDENTIFIER");
  }
  let text = "";
  let arc = 0;
  let atStart = true;
  for (const byte of bytes) {
    if (atStart && byte === 0x80)
      throw new DerError("der_value", "OBJECT IDENTIFIER arc is not in its shortest form");
    if (arc >= 2 ** 45) throw new DerError("der_value", "OBJECT IDENTIFIER arc is too large");
    arc = arc * 128 + (byte & 0x7f);
    atStart = byte < 0x80;
    if (!atStart) continue;
    if (text === "") text = arc < 40 ? `0.${arc}` : arc < 80 ? `1.${arc - 40}` : `2.${arc - 80}`;
    else text += `.${arc}`;
    arc = 0;
  }
  return text;
}

function digits(bytes: Uint8Array, from: number, to: number): number {
  let value = 0;
  for (let i = from; i < to; i++) {
    const digit = bytes[i]! - 48;
    if (!(digit >= 0 && digit <= 9)) throw new DerError("der_value", "not a digit in a time");
    value = value * 10 + digit;
  }
  return value;
}

function timeSeconds(bytes: Uint8Array, year: number, at: number): number {
  const month = digits(bytes, at, at + 2);
  const day = digits(bytes, at + 2, at + 4);
  const hour = digits(bytes, at + 4, at + 6);
  const minute = digits(bytes, at + 6, at + 8);
  const second = digits(bytes, at + 8, at + 10);
  const valid = month >= 1 && month <= 12 && day >= 1 && day <= daysIn(year, month);
  if (!valid || hour > 23 || minute > 59 || second > 59 || bytes[at + 10] !== 0x5a) {
    throw new DerError("der_value", "no such time");
  }
  return daysSince1970(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second;
}

/** Days in a month of the proleptic Gregorian calendar; `month` from 1. */
export function daysIn(year: number, month: number): number {
  if (month === 2) return (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0 ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Days from 1970-01-01 to a date of the proleptic Gregorian calendar; `month` and `day` from 1. */
export function daysSince1970(year: number, month: number, day: number): number {
  // Years are counted from March so that the leap day is the last of its year.
  const marchYear = month > 2 ? year : year - 1;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const leapDays = Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400);
  return marchYear * 365 + leapDays + dayOfYear - 719_468;
}
