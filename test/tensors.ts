/** Tensors of plain numbers. */
import type { Tensor } from "../receipts/index.ts";

/** One row of FP32. */
export function floats(name: string, values: number[]): Tensor {
  const data = new Uint8Array(4 * values.length);
  const view = new DataView(data.buffer);
  values.forEach((value, i) => view.setFloat32(4 * i, value, true));
  return { name, datatype: "FP32", shape: [1, values.length], data };
}
