/** The header form of a receipt: base64url( 0x01 ‖ leaf type u8 ‖ words ‖ signature 65 ), unpadded. */
import { CodecError, concat, fromBase64Url, toBase64Url } from "../codec/index.ts";
import { ReceiptError } from "./error.ts";
import type { LoggedType, StatementOf } from "./fields.ts";
import { LEAF_TYPES, LOGGED_TYPES, STATEMENT_FIELDS } from "./fields.ts";
import { decodeStatement } from "./statements.ts";

export interface ReceiptHeader {
  type: LoggedType;
  /** ABI words in field order. */
  words: Uint8Array;
  /** r ‖ s ‖ v, 65 bytes. */
  signature: Uint8Array;
}

export type ParsedReceiptHeader = {
  [T in LoggedType]: { type: T; statement: StatementOf<T>; words: Uint8Array; signature: Uint8Array };
}[LoggedType];

const VERSION = 1;
export const MAX_HEADER_LENGTH = 4096;

/** @throws ReceiptError `header_invalid` */
export function encodeReceiptHeader({ type, words, signature }: ReceiptHeader): string {
  if (!LOGGED_TYPES.includes(type))
    throw new ReceiptError("header_invalid", "this statement has no header form");
  if (words.length !== 32 * STATEMENT_FIELDS[type].length || signature.length !== 65) {
    throw new ReceiptError("header_invalid", `wrong length for ${type}`);
  }
  return toBase64Url(concat(Uint8Array.of(VERSION, LEAF_TYPES[type]), words, signature));
}

function decodeText(text: string): Uint8Array {
  if (text.length > MAX_HEADER_LENGTH) throw new ReceiptError("header_invalid", "the header is too long");
  try {
    return fromBase64Url(text);
  } catch (cause) {
    if (cause instanceof CodecError) throw new ReceiptError("header_invalid", "not base64url", { cause });
    throw cause;
  }
}

/**
 * Header text to statement and signature. The signature is not verified.
 * @throws ReceiptError `header_invalid`, `format_version_unknown`, `statement_invalid`
 */
export function parseReceiptHeader(text: string): ParsedReceiptHeader {
  const bytes = decodeText(text);
  if (bytes.length < 2) throw new ReceiptError("header_invalid", "the header is too short");
  if (bytes[0] !== VERSION)
    throw new ReceiptError("format_version_unknown", "unknown version of the header form");
  const type = LOGGED_TYPES.find((candidate) => LEAF_TYPES[candidate] === bytes[1]);
  if (type === undefined) throw new ReceiptError("header_invalid", "unknown statement type");
  const end = 2 + 32 * STATEMENT_FIELDS[type].length;
  if (bytes.length !== end + 65) throw new ReceiptError("header_invalid", `wrong length for ${type}`);
  const words = bytes.slice(2, end);
  const statement = decodeStatement(type, words);
  return { type, statement, words, signature: bytes.slice(end) } as ParsedReceiptHeader;
}
