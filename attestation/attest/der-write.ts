/** The little DER (ITU-T X.690) that simulated certificates, CRLs and signatures need. */
import { concat, utf8 } from "../../codec/index.ts";
import { TAG } from "../verify/der.ts";

/** One value: tag, shortest length, content. */
export function der(tag: number, ...parts: Uint8Array[]): Uint8Array {
  const content = concat(...parts);
  return concat(new Uint8Array([tag, ...lengthBytes(content.length)]), content);
}

function lengthBytes(length: number): number[] {
  if (length < 0x80) return [length];
  const bytes: number[] = [];
  for (let left = length; left > 0; left >>>= 8) bytes.unshift(left & 0xff);
  return [0x80 | bytes.length, ...bytes];
}

export function sequence(...parts: Uint8Array[]): Uint8Array {
  return der(TAG.sequence, ...parts);
}

/** A non-negative INTEGER from its big-endian bytes. */
export function integer(bytes: Uint8Array | number): Uint8Array {
  if (typeof bytes === "number") return integer(numberBytes(bytes));
  let start = 0;
  while (start < bytes.length - 1 && bytes[start] === 0) start++;
  const shortest = bytes.subarray(start);
  return der(TAG.integer, (shortest[0] ?? 0) >= 0x80 ? concat(new Uint8Array(1), shortest) : shortest);
}

function numberBytes(value: number): Uint8Array {
  return new Uint8Array([value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff]);
}

export function oid(dotted: string): Uint8Array {
  const [first, second, ...rest] = dotted.split(".").map(Number);
  const bytes = [first! * 40 + second!];
  for (const arc of rest) {
    const digits = [arc & 0x7f];
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128))
      digits.unshift((left & 0x7f) | 0x80);
    bytes.push(...digits);
  }
  return der(TAG.oid, new Uint8Array(bytes));
}

export function boolean(value: boolean): Uint8Array {
  return der(TAG.boolean, new Uint8Array([value ? 0xff : 0]));
}

export function octets(bytes: Uint8Array): Uint8Array {
  return der(TAG.octetString, bytes);
}

export function bitString(bytes: Uint8Array, unusedBits = 0): Uint8Array {
  return der(TAG.bitString, new Uint8Array([unusedBits]), bytes);
}

/** UTCTime through 2049, GeneralizedTime after (RFC 5280 section 4.1.2.5). */
export function time(date: Date): Uint8Array {
  const text = date.toISOString().replaceAll(/[-:T]/g, "").slice(0, 14) + "Z";
  return date.getUTCFullYear() < 2050
    ? der(TAG.utcTime, utf8(text.slice(2)))
    : der(TAG.generalizedTime, utf8(text));
}

/** A Name of one organisation and one common name. */
export function distinguishedName(commonName: string): Uint8Array {
  const attribute = (type: string, value: string) =>
    der(TAG.set, sequence(oid(type), der(TAG.utf8String, utf8(value))));
  return sequence(
    attribute("2.5.4.3", commonName),
    attribute("2.5.4.10", "Affidavit simulation, proves nothing"),
  );
}

/** r ‖ s, of equal length, as an Ecdsa-Sig-Value. */
export function ecdsaSignature(raw: Uint8Array): Uint8Array {
  const half = raw.length / 2;
  return sequence(integer(raw.subarray(0, half)), integer(raw.subarray(half)));
}

/** PEM text (RFC 7468) with lines of 64 characters. */
export function pem(label: string, bytes: Uint8Array): string {
  const lines =
    Buffer.from(bytes)
      .toString("base64")
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}
