/** Values to and from the little-endian bytes of tensors. */
import type { Tensor } from "../../receipts/index.ts";
import { ProcessingError } from "./errors.ts";
import type { Value } from "./raw.ts";
import { MAX_ELEMENTS } from "./schema.ts";

type NumericDatatype = "FP32" | "FP64" | "INT32" | "INT64";

const BYTES_PER_ELEMENT: Record<NumericDatatype, number> = { FP32: 4, FP64: 8, INT32: 4, INT64: 8 };

/**
 * Each element rounded to nearest, ties to even, in FP32; integers must be exact.
 * @throws ProcessingError `value_not_finite`, `value_out_of_range`
 */
export function packTensor(
  name: string,
  datatype: NumericDatatype,
  shape: number[],
  values: ArrayLike<number>,
): Tensor {
  const data = new Uint8Array(values.length * BYTES_PER_ELEMENT[datatype]);
  const view = new DataView(data.buffer);
  for (let index = 0; index < values.length; index++) setElement(view, datatype, index, values[index]!);
  return { name, datatype, shape, data };
}

function setElement(view: DataView, datatype: NumericDatatype, index: number, x: number): void {
  if (!Number.isFinite(x)) throw new ProcessingError("value_not_finite", `element ${index} is not finite`);
  if (datatype === "FP64") return view.setFloat64(index * 8, x, true);
  if (datatype === "FP32") {
    if (!Number.isFinite(Math.fround(x))) throw outOfRange(index, datatype);
    return view.setFloat32(index * 4, x, true);
  }
  if (!Number.isSafeInteger(x)) throw outOfRange(index, datatype);
  if (datatype === "INT64") return view.setBigInt64(index * 8, BigInt(x), true);
  if (x < -(2 ** 31) || x >= 2 ** 31) throw outOfRange(index, datatype);
  view.setInt32(index * 4, x, true);
}

/**
 * A numeric output as doubles.
 * @throws ProcessingError `output_invalid`, `value_not_finite`
 */
export function unpackTensor({ name, datatype, shape, data }: Tensor): Value {
  const elements = shape.reduce((product, size) => product * size, 1);
  if (!isNumeric(datatype)) throw new ProcessingError("output_invalid", `output "${name}" is ${datatype}`);
  if (
    !(elements >= 1 && elements <= MAX_ELEMENTS) ||
    data.length !== elements * BYTES_PER_ELEMENT[datatype]
  ) {
    throw new ProcessingError("output_invalid", `output "${name}" has not the bytes of shape [${shape}]`);
  }
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const values = new Float64Array(elements);
  for (let index = 0; index < elements; index++) values[index] = getElement(view, datatype, index);
  if (!values.every(Number.isFinite))
    throw new ProcessingError("value_not_finite", `output "${name}" is not finite`);
  return { shape, data: values };
}

function getElement(view: DataView, datatype: NumericDatatype, index: number): number {
  switch (datatype) {
    case "FP32":
      return view.getFloat32(index * 4, true);
    case "FP64":
      return view.getFloat64(index * 8, true);
    case "INT32":
      return view.getInt32(index * 4, true);
    case "INT64":
      return Number(view.getBigInt64(index * 8, true));
  }
}

function isNumeric(datatype: string): datatype is NumericDatatype {
  return Object.hasOwn(BYTES_PER_ELEMENT, datatype);
}

function outOfRange(index: number, datatype: string): ProcessingError {
  return new ProcessingError("value_out_of_range", `element ${index} does not fit ${datatype}`);
}
