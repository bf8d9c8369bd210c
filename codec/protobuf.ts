/** Protocol Buffers wire format (protobuf.dev/programming-guides/encoding), as much as ONNX needs. */
import { concat, fromUtf8, utf8 } from "./bytes.ts";

const VARINT = 0;
const FIXED64 = 1;
const BYTES = 2;
const FIXED32 = 5;

function varint(value: number | bigint): Uint8Array {
  const written: number[] = [];
  for (let rest = BigInt.asUintN(64, BigInt(value)); ; rest >>= 7n) {
    const low = Number(rest & 0x7fn);
    if (rest < 0x80n) return Uint8Array.from([...written, low]);
    written.push(low | 0x80);
  }
}

function tag(field: number, wireType: number): Uint8Array {
  return varint(field * 8 + wireType);
}

/** An integer or enum; negative ones in two's complement of 64 bits. */
export function integer(field: number, value: number | bigint): Uint8Array {
  return concat(tag(field, VARINT), varint(value));
}

/** Bytes, text in UTF-8, or a message already written. */
export function bytes(field: number, value: Uint8Array | string): Uint8Array {
  const content = typeof value === "string" ? utf8(value) : value;
  return concat(tag(field, BYTES), varint(content.length), content);
}

export function float32(field: number, value: number): Uint8Array {
  const content = new Uint8Array(4);
  new DataView(content.buffer).setFloat32(0, value, true);
  return concat(tag(field, FIXED32), content);
}

/** A field as it stands in a message. */
export interface Field {
  number: number;
  /** The whole field, tag and all: what to write to keep it. */
  raw: Uint8Array;
  /** Of a length-delimited field, its content; else empty. */
  content: Uint8Array;
  /** Of a varint field, its value as an unsigned 64-bit integer; else 0. */
  value: bigint;
}

/** A message that is no protobuf. */
export class ProtobufError extends Error {
  override readonly name = "ProtobufError";
}

function readVarint(message: Uint8Array, start: number): { value: bigint; end: number } {
  let value = 0n;
  for (let i = 0; i < 10; i++) {
    const byte = message[start + i];
    if (byte === undefined) throw new ProtobufError("a varint is cut off");
    value |= BigInt(byte & 0x7f) << BigInt(7 * i);
    if (byte < 0x80) return { value: BigInt.asUintN(64, value), end: start + i + 1 };
  }
  throw new ProtobufError("a varint is too long");
}

/**
 * The fields of one message, in order; contents are views of it.
 * @throws ProtobufError
 */
export function* fields(message: Uint8Array): Generator<Field> {
  let offset = 0;
  while (offset < message.length) {
    const { value: key, end } = readVarint(message, offset);
    const { length, contentAt, value } = extent(message, Number(key & 7n), end);
    if (contentAt + length > message.length) throw new ProtobufError("a field is cut off");
    const raw = message.subarray(offset, contentAt + length);
    const content = message.subarray(contentAt, contentAt + length);
    yield { number: Number(key >> 3n), raw, content, value };
    offset = contentAt + length;
  }
}

function extent(
  message: Uint8Array,
  wireType: number,
  at: number,
): { length: number; contentAt: number; value: bigint } {
  if (wireType === VARINT) {
    const { value, end } = readVarint(message, at);
    return { length: 0, contentAt: end, value };
  }
  if (wireType === FIXED64) return { length: 8, contentAt: at, value: 0n };
  if (wireType === FIXED32) return { length: 4, contentAt: at, value: 0n };
  if (wireType !== BYTES) throw new ProtobufError("an unknown wire type");
  const { value, end } = readVarint(message, at);
  if (value > BigInt(message.length)) throw new ProtobufError("a field is cut off");
  return { length: Number(value), contentAt: end, value: 0n };
}

/** The first field of that number as text; empty where there is none. @throws ProtobufError, CodecError `bad_utf8` */
export function text(message: Uint8Array, number: number): string {
  for (const field of fields(message)) if (field.number === number) return fromUtf8(field.content);
  return "";
}
