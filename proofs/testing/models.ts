/** Models for tests: one of the zoo's, and one so small that its weights can be hashed. */
import { readFileSync } from "node:fs";
import { parseManifest } from "../../models/client.ts";
import { floats, model } from "../../models/testing/onnx.ts";
import type { Tensor } from "../../receipts/index.ts";
import type { Sample } from "../index.ts";
import type { ModelGraph } from "../system.ts";

export function fp32(name: string, shape: number[], values: readonly number[]): Tensor {
  return { name, datatype: "FP32", shape, data: new Uint8Array(Float32Array.from(values).buffer) };
}

interface TestModel {
  graph: ModelGraph;
  samples: Sample[];
}

interface Listed {
  name: string;
  shape: number[];
  data: number[];
}

/** The zoo's, with the example that comes with it. */
export function zooModel(name: "breast-cancer" | "digits"): TestModel {
  const read = (file: string) => readFileSync(new URL(`../../models/zoo/${name}/${file}`, import.meta.url));
  const manifest = parseManifest(read("manifest.json").toString());
  const shapes = (list: typeof manifest.inputs) =>
    list.map((tensor) => ({ name: tensor.name, shape: tensor.shape }));
  const tensors = (list: Listed[]) => list.map((one) => fp32(one.name, one.shape, one.data.flat(8)));
  const example = JSON.parse(read("example.json").toString()) as { inputs: Listed[] };
  const expected = JSON.parse(read("expected.json").toString()) as { outputs: Listed[] };
  return {
    graph: {
      onnx: new Uint8Array(read("model.onnx")),
      inputs: shapes(manifest.inputs),
      outputs: shapes(manifest.outputs),
    },
    samples: [{ inputs: tensors(example.inputs), outputs: tensors(expected.outputs) }],
  };
}

const fp = (value: { name: string; shape: number[] }) => ({ ...value, datatype: "FP32" as const });

const WEIGHTS = [0.5, -1.25, 0.75, 2];
const BIAS = 0.125;

/** y = w·b + v·a + bias over two inputs: `b` comes first in the file and last by name. */
export function linearModel(): TestModel {
  const a = { name: "a", shape: [1, 1] };
  const b = { name: "b", shape: [1, 3] };
  const y = { name: "y", shape: [1, 1] };
  const onnx = model({
    nodes: [
      { op: "MatMul", inputs: ["b", "w"], outputs: ["wb"] },
      { op: "Mul", inputs: ["a", "v"], outputs: ["va"] },
      { op: "Add", inputs: ["wb", "va"], outputs: ["sum"] },
      { op: "Add", inputs: ["sum", "c"], outputs: ["y"] },
    ],
    inputs: [fp(b), fp(a)],
    outputs: [fp(y)],
    initialisers: [
      floats("w", [3, 1], WEIGHTS.slice(0, 3)),
      floats("v", [1, 1], WEIGHTS.slice(3)),
      floats("c", [1, 1], [BIAS]),
    ],
  });
  const sample = (x: number[]): Sample => {
    const sum = x.reduce((total, value, i) => total + value * WEIGHTS[i]!, BIAS);
    return {
      inputs: [fp32("b", [1, 3], x.slice(0, 3)), fp32("a", [1, 1], x.slice(3))],
      outputs: [fp32("y", [1, 1], [sum])],
    };
  };
  const samples = [sample([0.25, 0.5, -1, 0.75]), sample([1, -1, 1, -1])];
  return { graph: { onnx, inputs: [a, b], outputs: [y] }, samples };
}
