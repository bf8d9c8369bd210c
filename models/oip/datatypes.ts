/** The protocol's datatypes and their sizes. */
import type { Datatype } from "../../receipts/index.ts";
import { OipError } from "./errors.ts";

/** Bytes of one element, little-endian; 0 for BYTES, whose elements carry their own length. */
const ELEMENT_BYTES: ReadonlyMap<string, number> = new Map<Datatype, number>([
  ["BOOL", 1],
  ["UINT8", 1],
  ["UINT16", 2],
  ["UINT32", 4],
  ["UINT64", 8],
  ["INT8", 1],
  ["INT16", 2],
  ["INT32", 4],
  ["INT64", 8],
  ["FP16", 2],
  ["FP32", 4],
  ["FP64", 8],
  ["BYTES", 0],
]);

export function elementBytes(datatype: Datatype): number {
  return ELEMENT_BYTES.get(datatype)!;
}

/** @throws OipError `oip_datatype_unknown`, `oip_datatype_unsupported` (BF16, which ONNX Runtime's JavaScript tensors cannot carry) */
export function parseDatatype(value: unknown, where: string): Datatype {
  if (typeof value === "string" && ELEMENT_BYTES.has(value)) return value as Datatype;
  if (value === "BF16") {
    throw new OipError("oip_datatype_unsupported", `${where}: BF16 is not supported; send FP32 or FP16`);
  }
  throw new OipError("oip_datatype_unknown", `${where}: unknown datatype`);
}

/** Range of the integer datatypes that a JSON number holds exactly. */
export const SMALL_INTEGERS = {
  UINT8: { low: 0, high: 0xff, array: Uint8Array },
  UINT16: { low: 0, high: 0xffff, array: Uint16Array },
  UINT32: { low: 0, high: 0xffff_ffff, array: Uint32Array },
  INT8: { low: -0x80, high: 0x7f, array: Int8Array },
  INT16: { low: -0x8000, high: 0x7fff, array: Int16Array },
  INT32: { low: -0x8000_0000, high: 0x7fff_ffff, array: Int32Array },
} as const;

/** The two that need more than the 53 bits of a JSON number. */
export const BIG_INTEGERS = {
  INT64: { low: -(2n ** 63n), high: 2n ** 63n - 1n, array: BigInt64Array },
  UINT64: { low: 0n, high: 2n ** 64n - 1n, array: BigUint64Array },
} as const;

type TypedArray<T> = new (buffer: ArrayBufferLike, byteOffset: number, length: number) => T;

/** Elements of raw data without a copy where its place in memory allows it. The platform must be little-endian. */
export function viewAs<T>(array: TypedArray<T> & { BYTES_PER_ELEMENT: number }, data: Uint8Array): T {
  const size = array.BYTES_PER_ELEMENT;
  // Not slice(): in Node a Buffer's is a view at the same place.
  const source = data.byteOffset % size === 0 ? data : new Uint8Array(data);
  return new array(source.buffer, source.byteOffset, data.length / size);
}

if (new Uint8Array(new Uint16Array([1]).buffer)[0] !== 1) {
  throw new OipError("oip_datatype_unsupported", "tensor data is little-endian, this machine is not");
}
