/** Protocol Buffers wire format, writing only, as much as ONNX needs. */
import { concat, utf8 } from "../../codec/index.ts";

const VARINT = 0;
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
