/** What the bench of GPUs runs: the zoo's largest model on its widest line, or a small one to rehearse. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { ModelRegistry, parseInferRequest, type LoadedModel } from "../models/index.ts";
import type { Tensor } from "../receipts/index.ts";

export const ZOO = new URL("../models/zoo/", import.meta.url);
const WIDEST = 2304;

export async function modelOf(name: string): Promise<LoadedModel> {
  return (await ModelRegistry.load([fileURLToPath(ZOO)])).require(name);
}

export function inputsOf(name: string): Tensor[] {
  const { inputs } = parseInferRequest(readFileSync(new URL(`${name}/example.json`, ZOO)));
  return name === "ocr" ? inputs.map((image) => widened(image, WIDEST)) : inputs;
}

/** The line again and again, up to a width: FP32 `[1, 3, 48, width]`. */
function widened({ name, datatype, shape, data }: Tensor, width: number): Tensor {
  const columns = shape.at(-1)!;
  const numbers = new Float32Array(data.slice().buffer);
  const rows = numbers.length / columns;
  const wide = Float32Array.from({ length: rows * width }, (_, i) => {
    return numbers[Math.floor(i / width) * columns + ((i % width) % columns)]!;
  });
  return { name, datatype, shape: [...shape.slice(0, -1), width], data: new Uint8Array(wide.buffer) };
}
