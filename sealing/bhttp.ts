/**
 * Binary HTTP messages (RFC 9292): requests of known and of indeterminate length are read, answers of known length
 * written. Content stays a view of the message. Trailers are read and dropped; informational answers are never written.
 */
import { concat, fromUtf8, utf8, CodecError } from "../codec/index.ts";
import { SealingError } from "./error.ts";
import { encodeVarint, Reader } from "./varint.ts";

export interface BinaryRequest {
  method: string;
  scheme: string;
  authority: string;
  /** With its query. */
  path: string;
  /** Names in lower case, in the order they came. */
  fields: [name: string, value: string][];
  content: Uint8Array;
}

export interface BinaryResponse {
  status: number;
  fields: [name: string, value: string][];
  content: Uint8Array;
}

const KNOWN_REQUEST = 0;
const KNOWN_RESPONSE = 1;
const INDETERMINATE_REQUEST = 2;
const MAX_FIELDS = 128;
const MAX_FIELD_BYTES = 64 * 1024;
/** Of content whose length is not known: a sender has no use for many small ones. */
const MAX_CHUNKS = 65_536;
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/;
const METHOD = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]{1,32}$/;
/** Visible ASCII, with spaces and tabs within (RFC 9110 section 5.5, without its obsolete text). */
const VALUE = /^$|^[\x21-\x7e]([\t\x20-\x7e]*[\x21-\x7e])?$/;
const PATH = /^\/[\x21-\x7e]*$/;

/**
 * A request of either framing; what RFC 9292 section 3.8 lets a sender leave out reads as empty, padding must be zero.
 * @throws SealingError `bhttp_invalid`
 */
export function parseBinaryRequest(message: Uint8Array): BinaryRequest {
  const reader = new Reader(message);
  const framing = reader.varint();
  if (framing !== KNOWN_REQUEST && framing !== INDETERMINATE_REQUEST)
    throw new SealingError("bhttp_invalid", "the message is no request");
  const method = text(reader, METHOD);
  const scheme = text(reader, /^[a-z][a-z0-9+.-]{0,15}$/i);
  const authority = text(reader, /^[\x21-\x7e]{0,255}$/);
  const path = text(reader, PATH);
  const known = framing === KNOWN_REQUEST;
  const fields = known ? readKnownFields(reader) : readFieldLines(reader);
  const content = known ? reader.block(reader.left) : readContent(reader);
  if (known) readKnownFields(reader);
  else readFieldLines(reader);
  if (reader.rest().some((byte) => byte !== 0))
    throw new SealingError("bhttp_invalid", "bytes follow the message that are no padding");
  return { method, scheme, authority, path, fields, content };
}

/** Framing ‖ status ‖ fields ‖ content ‖ no trailers. */
export function encodeBinaryResponse({ status, fields, content }: BinaryResponse): Uint8Array {
  const lines = fields.flatMap(([name, value]) => [block(utf8(name)), block(utf8(value))]);
  const section = concat(...lines);
  return concat(
    encodeVarint(KNOWN_RESPONSE),
    encodeVarint(status),
    block(section),
    encodeVarint(content.length),
    content,
    encodeVarint(0),
  );
}

function block(bytes: Uint8Array): Uint8Array {
  return concat(encodeVarint(bytes.length), bytes);
}

function text(reader: Reader, form: RegExp): string {
  const found = decode(reader.block(MAX_FIELD_BYTES));
  if (!form.test(found)) throw new SealingError("bhttp_invalid", "the request's control data is not valid");
  return found;
}

function decode(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch (error) {
    if (error instanceof CodecError) throw new SealingError("bhttp_invalid", "text is not UTF-8");
    throw error;
  }
}

function readKnownFields(reader: Reader): [string, string][] {
  if (reader.left === 0) return [];
  const section = new Reader(reader.block(MAX_FIELD_BYTES));
  const fields: [string, string][] = [];
  while (section.left > 0) fields.push(readField(section, section.varint(), fields.length));
  return fields;
}

/** Field lines up to the zero that ends them. */
function readFieldLines(reader: Reader): [string, string][] {
  const fields: [string, string][] = [];
  const before = reader.left;
  while (reader.left > 0) {
    const nameBytes = reader.varint();
    if (nameBytes === 0) break;
    fields.push(readField(reader, nameBytes, fields.length));
    if (before - reader.left > MAX_FIELD_BYTES)
      throw new SealingError("bhttp_invalid", "the fields are too long");
  }
  return fields;
}

function readField(reader: Reader, nameBytes: number, count: number): [string, string] {
  if (count >= MAX_FIELDS) throw new SealingError("bhttp_invalid", "there are too many fields");
  const name = decode(reader.take(nameBytes));
  const value = decode(reader.block(MAX_FIELD_BYTES));
  if (!NAME.test(name) || !VALUE.test(value)) throw new SealingError("bhttp_invalid", "a field is not valid");
  return [name, value];
}

/** Content of an indeterminate length: chunks up to the zero that ends them. */
function readContent(reader: Reader): Uint8Array {
  const chunks: Uint8Array[] = [];
  while (reader.left > 0) {
    const length = reader.varint();
    if (length === 0) break;
    if (chunks.length === MAX_CHUNKS) throw new SealingError("bhttp_invalid", "there are too many chunks");
    chunks.push(reader.take(length));
  }
  return chunks.length === 1 ? chunks[0]! : concat(...chunks);
}
