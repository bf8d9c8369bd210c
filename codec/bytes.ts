/** Byte strings and their text forms. Every decoder is strict: one accepted spelling a value. */

export class CodecError extends Error {
  override readonly name = "CodecError";
  readonly code: "bad_hex" | "bad_base64" | "bad_utf8" | "bad_length";
  constructor(code: CodecError["code"], message: string) {
    super(message);
    this.code = code;
  }
}

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

/** Node's own encoders, in base64 some fifty times as fast as `btoa`; browsers have none. */
const nodeBuffer = (globalThis as { Buffer?: typeof Buffer }).Buffer;

/** Lower-case hex without a prefix. */
export function toHex(bytes: Uint8Array): string {
  if (nodeBuffer) return nodeBuffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
  let text = "";
  for (const byte of bytes) text += HEX[byte];
  return text;
}

/** Lower-case hex with the prefix `0x`. */
export function toHex0x(bytes: Uint8Array): string {
  return "0x" + toHex(bytes);
}

function nibble(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  if (code >= 97 && code <= 102) return code - 87;
  if (code >= 65 && code <= 70) return code - 55;
  return -1;
}

/**
 * Hex to bytes; the prefix `0x` is optional, either case is read.
 * @throws CodecError `bad_hex`; `bad_length` where `byteLength` is given and differs.
 */
export function fromHex(text: string, byteLength?: number): Uint8Array {
  const start = text.startsWith("0x") ? 2 : 0;
  const digits = text.length - start;
  if (byteLength !== undefined && digits !== byteLength * 2) {
    throw new CodecError("bad_length", `expected ${byteLength} bytes of hex, got ${digits} digits`);
  }
  if (digits % 2 !== 0) throw new CodecError("bad_hex", "odd number of hex digits");
  const bytes = new Uint8Array(digits / 2);
  for (let i = 0; i < bytes.length; i++) {
    const high = nibble(text.charCodeAt(start + 2 * i));
    const low = nibble(text.charCodeAt(start + 2 * i + 1));
    if (high < 0 || low < 0) throw new CodecError("bad_hex", "not a hex digit");
    bytes[i] = high * 16 + low;
  }
  return bytes;
}

/** Standard base64 with padding (RFC 4648 section 4). */
export function toBase64(bytes: Uint8Array): string {
  if (nodeBuffer) return nodeBuffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64");
  let binary = "";
  for (let i = 0; i < bytes.length; i += 8192) {
    binary += String.fromCharCode(...bytes.subarray(i, i + 8192));
  }
  return btoa(binary);
}

/** base64url without padding (RFC 4648 section 5). */
export function toBase64Url(bytes: Uint8Array): string {
  if (nodeBuffer) return nodeBuffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("base64url");
  return toBase64(bytes).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/**
 * Standard base64 with padding to bytes; unused trailing bits must be zero.
 * @throws CodecError `bad_base64`
 */
export function fromBase64(text: string): Uint8Array {
  let binary: string;
  try {
    binary = atob(text);
  } catch {
    throw new CodecError("bad_base64", "not base64");
  }
  const bytes = Uint8Array.from(binary, (character) => character.charCodeAt(0));
  if (toBase64(bytes) !== text) throw new CodecError("bad_base64", "not canonical base64");
  return bytes;
}

/**
 * Unpadded base64url to bytes; unused trailing bits must be zero.
 * @throws CodecError `bad_base64`
 */
export function fromBase64Url(text: string): Uint8Array {
  if (/[+/=]/.test(text)) throw new CodecError("bad_base64", "not base64url");
  const padded = text.replaceAll("-", "+").replaceAll("_", "/") + "=".repeat((4 - (text.length % 4)) % 4);
  return fromBase64(padded);
}

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** @throws CodecError `bad_utf8` */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new CodecError("bad_utf8", "not UTF-8");
  }
}

export function concat(...parts: Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Equality whose time depends on the lengths alone. */
export function equal(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!;
  return difference === 0;
}
