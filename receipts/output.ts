/**
 * The encoded output that `outputDigest` commits to, by the manifest's output kind (docs/spec/encoding.md):
 * `fixedPoint` for contracts (abi.encode(int256[])), `tensor` (canonical tensor bytes), `utf8`.
 */
import { fromUtf8 } from "../codec/index.ts";
import { ReceiptError } from "./error.ts";
import { fp16Value, roundScaled } from "./fixed-point.ts";
import type { Datatype, Tensor } from "./tensors.ts";
import { bytesElements, canonicalTensors, checkTensor, elementCount } from "./tensors.ts";

export type OutputKind = { kind: "fixedPoint"; scale: number } | { kind: "tensor" } | { kind: "utf8" };

/** 10^76 is the largest power of ten below 2^255. */
export const MAX_SCALE = 76;
export const MAX_FIXED_POINT_VALUES = 65_536;

type ReadNumber = (view: DataView, index: number) => number | bigint;

const READ: Record<Exclude<Datatype, "BYTES">, ReadNumber> = {
  BOOL: (view, i) => view.getUint8(i),
  UINT8: (view, i) => view.getUint8(i),
  UINT16: (view, i) => view.getUint16(2 * i, true),
  UINT32: (view, i) => view.getUint32(4 * i, true),
  UINT64: (view, i) => view.getBigUint64(8 * i, true),
  INT8: (view, i) => view.getInt8(i),
  INT16: (view, i) => view.getInt16(2 * i, true),
  INT32: (view, i) => view.getInt32(4 * i, true),
  INT64: (view, i) => view.getBigInt64(8 * i, true),
  FP16: (view, i) => fp16Value(view.getUint16(2 * i, true)),
  FP32: (view, i) => view.getFloat32(4 * i, true),
  FP64: (view, i) => view.getFloat64(8 * i, true),
};

const LIMIT = 2n ** 255n;

function writeInt256(view: DataView, offset: number, value: bigint): void {
  if (value >= LIMIT || value < -LIMIT)
    throw new ReceiptError("output_overflow", "a value does not fit an int256");
  let rest = value;
  for (let word = 3; word >= 0; word--) {
    view.setBigInt64(offset + 8 * word, BigInt.asIntN(64, rest));
    rest >>= 64n;
  }
}

function encodeFixedPoint(scale: number, tensors: readonly Tensor[]): Uint8Array {
  if (!Number.isInteger(scale) || scale < 0 || scale > MAX_SCALE) {
    throw new ReceiptError("output_kind_mismatch", `a scale is an integer from 0 to ${MAX_SCALE}`);
  }
  let count = 0;
  for (const tensor of tensors) {
    if (tensor.datatype === "BYTES")
      throw new ReceiptError("output_kind_mismatch", "BYTES has no numeric value");
    checkTensor(tensor);
    count += elementCount(tensor.shape);
  }
  if (count > MAX_FIXED_POINT_VALUES)
    throw new ReceiptError("output_limit", `more than ${MAX_FIXED_POINT_VALUES} values`);
  const encoded = new Uint8Array(64 + 32 * count);
  const view = new DataView(encoded.buffer);
  view.setUint32(28, 32);
  view.setUint32(60, count);
  let offset = 64;
  for (const { datatype, shape, data } of tensors) {
    const read = READ[datatype as Exclude<Datatype, "BYTES">];
    const source = new DataView(data.buffer, data.byteOffset, data.length);
    const end = elementCount(shape);
    for (let i = 0; i < end; i++) {
      writeInt256(view, offset, roundScaled(read(source, i), scale, datatype !== "FP64"));
      offset += 32;
    }
  }
  return encoded;
}

function encodeText(tensors: readonly Tensor[]): Uint8Array {
  const [tensor] = tensors;
  if (tensors.length !== 1 || tensor?.datatype !== "BYTES") {
    throw new ReceiptError("output_kind_mismatch", "utf8 takes one BYTES tensor");
  }
  checkTensor(tensor);
  const elements = [...bytesElements(tensor.data)];
  if (elements.length !== 1) throw new ReceiptError("output_kind_mismatch", "utf8 takes one element");
  try {
    fromUtf8(elements[0]!);
  } catch (cause) {
    throw new ReceiptError("output_kind_mismatch", "the output is not UTF-8", { cause });
  }
  return elements[0]!.slice();
}

/**
 * The encoded output.
 *
 * - `fixedPoint`: abi.encode(int256[]) over the tensors IN THE ORDER GIVEN (the manifest's), each row-major; a value is the
 *   number's exact value x 10^scale rounded half to even; BOOL counts as 0 or 1.
 * - `tensor`: `canonicalTensors`, ordered by name.
 * - `utf8`: the bytes of the only element of the only tensor.
 *
 * @throws ReceiptError `output_not_finite` (NaN, infinity), `output_overflow` (beyond int256), `output_kind_mismatch`,
 *   `output_limit`, and what `canonicalTensors` throws
 */
export function encodeOutput(kind: OutputKind, tensors: readonly Tensor[]): Uint8Array {
  if (kind.kind === "fixedPoint") return encodeFixedPoint(kind.scale, tensors);
  if (kind.kind === "tensor") return canonicalTensors(tensors);
  return encodeText(tensors);
}
