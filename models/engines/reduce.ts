/** Reductions of a graph's outputs, done in the host: what nobody asked for is neither sent, hashed nor signed. */
import type { Tensor } from "../../receipts/index.ts";
import type { Reduction } from "../manifest.ts";
import { HostError } from "./failure.ts";

/** The most bytes that the outputs of one run may hold before they are reduced: bounds the time that it takes. */
export const MAX_UNREDUCED_BYTES = 256 * 1024 * 1024;

const VIEWS = new Map<string, typeof Float32Array | typeof Float64Array>([
  ["FP32", Float32Array],
  ["FP64", Float64Array],
]);

/**
 * `bestOfLast`: of shape `[...,C]`, the index of the largest element of each row of C (INT32; the first of equals,
 * where -0 equals 0) and the element itself (datatype unchanged), both of shape `[...]`. The data must lie at a
 * multiple of the element's size in their buffer, as the engine's own do.
 * @throws HostError `output_invalid` where the tensor is neither FP32 nor FP64, has no axis or an empty last one,
 *   `output_not_finite` where any element is NaN: then a row has no largest element
 */
export function bestOfLast(reduction: Reduction, tensor: Tensor): Tensor[] {
  const { datatype, data } = tensor;
  const label = `output ${JSON.stringify(reduction.output)}`;
  const View = VIEWS.get(datatype);
  const width = tensor.shape.at(-1);
  if (View === undefined || width === undefined || width === 0) {
    throw new HostError(
      "output_invalid",
      `${label}, ${datatype} of shape [${tensor.shape}], has no row of numbers`,
    );
  }
  const numbers = new View(data.buffer as ArrayBuffer, data.byteOffset, data.length / View.BYTES_PER_ELEMENT);
  const rows = numbers.length / width;
  const indices = new Int32Array(rows);
  const values = new View(rows);
  if (!fillBest(numbers, width, indices, values)) {
    throw new HostError("output_not_finite", `${label} holds NaN`);
  }
  const shape = tensor.shape.slice(0, -1);
  return [
    { name: reduction.index, datatype: "INT32", shape, data: new Uint8Array(indices.buffer) },
    { name: reduction.value, datatype, shape: [...shape], data: new Uint8Array(values.buffer) },
  ];
}

/** Returns false where any element is NaN. */
function fillBest(
  numbers: Float32Array | Float64Array,
  width: number,
  indices: Int32Array,
  values: Float32Array | Float64Array,
): boolean {
  for (let row = 0, at = 0; row < indices.length; row++) {
    const start = at;
    let best = start;
    let largest = -Infinity;
    for (const end = start + width; at < end; at++) {
      const x = numbers[at]!;
      // One comparison tells both a larger number and NaN from all the others.
      if (x <= largest) continue;
      if (Number.isNaN(x)) return false;
      best = at;
      largest = x;
    }
    indices[row] = best - start;
    values[row] = largest;
  }
  return true;
}
