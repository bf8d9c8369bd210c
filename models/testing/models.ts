/** Tiny models with their manifests, for tests. */
import { sha256, toHex } from "../../codec/index.ts";
import type { Datatype, Tensor } from "../../receipts/index.ts";
import { manifestText, modelId, parseManifest } from "../manifest.ts";
import type { Manifest } from "../manifest.ts";
import type { LoadedModel } from "../engines/engine.ts";
import { floats, graph, model, tensor } from "./onnx.ts";
import type { Graph, Value } from "./onnx.ts";

type Changes = Partial<Omit<Manifest, "inputs" | "outputs">>;

function tensorSpec({ name, datatype, shape }: Value): Manifest["inputs"][number] {
  return {
    name,
    datatype,
    shape: shape.map((size) => (typeof size === "number" ? size : -1)),
    unit: "1",
    meaning: `the tensor ${name}`,
    finite: datatype.startsWith("FP"),
  };
}

/** A manifest for a graph, with plain values wherever a test does not care. */
export function manifestFor(
  name: string,
  content: Graph,
  weights: Uint8Array,
  changes: Changes = {},
): Manifest {
  return {
    formatVersion: 1,
    name,
    version: "1",
    title: name,
    description: "A model for tests.",
    licence: "Apache-2.0",
    source: { script: "onnx.ts", version: "1", digest: `sha256:${"00".repeat(32)}` },
    weights: { sha256: toHex(sha256(weights)), bytes: weights.length, format: "onnx" },
    inputs: content.inputs.map(tensorSpec),
    outputs: content.outputs.map(tensorSpec),
    processing: { pre: null, post: null },
    outputKind: { kind: "tensor" },
    assurance: ["tee"],
    accuracy: null,
    limits: { maxBatch: 1024, timeoutMs: 20_000 },
    ...changes,
  };
}

export function loadedModel(manifest: Manifest, weights: Uint8Array): LoadedModel {
  const text = manifestText(parseManifest(manifestText(manifest)));
  return { manifest, manifestText: text, modelId: modelId(text), weights: async () => weights };
}

function build(name: string, content: Graph, changes?: Changes): LoadedModel {
  const weights = model(content);
  return loadedModel(manifestFor(name, content, weights, changes), weights);
}

/** `y = x`, of any datatype, rank 1. */
export function identityModel(datatype: Datatype, changes?: Changes): LoadedModel {
  const content: Graph = {
    nodes: [{ op: "Identity", inputs: ["x"], outputs: ["y"] }],
    inputs: [{ name: "x", datatype, shape: ["n"] }],
    outputs: [{ name: "y", datatype, shape: ["n"] }],
  };
  return build(`identity-${datatype.toLowerCase()}`, content, changes);
}

/** `y = relu(x · w)`, x `[n, 2]`, w `[[1, -1], [2, 1]]`. */
export function layerModel(changes?: Changes): LoadedModel {
  const content: Graph = {
    nodes: [
      { op: "MatMul", inputs: ["x", "w"], outputs: ["product"] },
      { op: "Relu", inputs: ["product"], outputs: ["y"] },
    ],
    inputs: [{ name: "x", datatype: "FP32", shape: ["n", 2] }],
    outputs: [{ name: "y", datatype: "FP32", shape: ["n", 2] }],
    initialisers: [floats("w", [2, 2], [1, -1, 2, 1])],
  };
  return build("layer", content, changes);
}

/** `y = x`, FP32 `[n, c]` (open as ONNX names go), of which the engine leaves `index` and `value` of each row's best. */
export function bestModel(changes?: Changes): LoadedModel {
  const content: Graph = {
    nodes: [{ op: "Identity", inputs: ["x"], outputs: ["y"] }],
    inputs: [{ name: "x", datatype: "FP32", shape: ["n", "c"] }],
    outputs: [{ name: "y", datatype: "FP32", shape: ["n", "c"] }],
  };
  const weights = model(content);
  const outputs = [
    tensorSpec({ name: "index", datatype: "INT32", shape: ["n"] }),
    tensorSpec({ name: "value", datatype: "FP32", shape: ["n"] }),
  ];
  const reduce = [{ output: "y", op: "bestOfLast" as const, index: "index", value: "value" }];
  return loadedModel({ ...manifestFor("best", content, weights), outputs, reduce, ...changes }, weights);
}

/** `y = x`, FP32 `[n, 2]`, by `depth` products with the unit matrix: a run as long as a test wants it. */
export function deepModel(depth: number, changes?: Changes): LoadedModel {
  const content: Graph = {
    nodes: Array.from({ length: depth }, (_, i) => ({
      op: "MatMul",
      inputs: [i === 0 ? "x" : `x${i}`, `w${i}`],
      outputs: [i === depth - 1 ? "y" : `x${i + 1}`],
    })),
    inputs: [{ name: "x", datatype: "FP32", shape: ["n", 2] }],
    outputs: [{ name: "y", datatype: "FP32", shape: ["n", 2] }],
    initialisers: Array.from({ length: depth }, (_, i) => floats(`w${i}`, [2, 2], [1, 0, 0, 1])),
  };
  return build("deep", content, changes);
}

/** A transposed convolution over three axes, which the CPU has and ONNX Runtime's WebGPU finds out that it lacks as it runs. */
export function volumeModel(changes?: Changes): LoadedModel {
  const content: Graph = {
    nodes: [{ op: "ConvTranspose", inputs: ["x", "w"], outputs: ["y"] }],
    inputs: [{ name: "x", datatype: "FP32", shape: [1, 1, 2, 2, 2] }],
    outputs: [{ name: "y", datatype: "FP32", shape: [1, 1, 3, 3, 3] }],
    initialisers: [floats("w", [1, 1, 2, 2, 2], [1, 2, 3, 4, 5, 6, 7, 8])],
  };
  return build("volume", content, changes);
}

/** Adds 1 to x (FP32, `[1]`) `trips` (INT64, `[1]`) times, one by one: some ten million times a second or so at best. */
export function loopModel(changes?: Changes): LoadedModel {
  const body = graph({
    nodes: [
      { op: "Identity", inputs: ["on"], outputs: ["stillOn"] },
      { op: "Add", inputs: ["before", "one"], outputs: ["after"] },
    ],
    inputs: [
      { name: "trip", datatype: "INT64", shape: [] },
      { name: "on", datatype: "BOOL", shape: [] },
      { name: "before", datatype: "FP32", shape: [1] },
    ],
    outputs: [
      { name: "stillOn", datatype: "BOOL", shape: [] },
      { name: "after", datatype: "FP32", shape: [1] },
    ],
  });
  const content: Graph = {
    nodes: [
      { op: "Loop", inputs: ["trips", "", "x"], outputs: ["y"], attributes: { body: { graph: body } } },
    ],
    inputs: [
      { name: "x", datatype: "FP32", shape: [1] },
      { name: "trips", datatype: "INT64", shape: [1] },
    ],
    outputs: [{ name: "y", datatype: "FP32", shape: [1] }],
    initialisers: [floats("one", [1], [1])],
  };
  return build("loop", content, changes);
}

/** `y` = `shape` zeros in FP32: as much memory as the caller asks for. */
export function zerosModel(changes?: Changes): LoadedModel {
  const zero = tensor("zero", "FP32", [1], new Uint8Array(4));
  const content: Graph = {
    nodes: [
      { op: "ConstantOfShape", inputs: ["shape"], outputs: ["y"], attributes: { value: { tensor: zero } } },
    ],
    inputs: [{ name: "shape", datatype: "INT64", shape: [1] }],
    outputs: [{ name: "y", datatype: "FP32", shape: ["n"] }],
  };
  return build("zeros", content, changes);
}

export function floatTensor(name: string, values: readonly number[], shape = [values.length]): Tensor {
  return { name, datatype: "FP32", shape, data: new Uint8Array(Float32Array.from(values).buffer) };
}

export function longTensor(name: string, values: readonly bigint[], shape = [values.length]): Tensor {
  return { name, datatype: "INT64", shape, data: new Uint8Array(BigInt64Array.from(values).buffer) };
}

/** The numbers of an FP32 tensor, whatever its alignment. */
export function readFloats({ data }: Tensor): number[] {
  return [...new Float32Array(data.slice().buffer)];
}

/** `y = x · w`, x `[1, width]`: 4 · width² bytes of weights, of noise that nothing compresses. */
export function wideModel(width: number, changes?: Changes): LoadedModel {
  const noise = new Float32Array(width * width);
  for (let i = 0, state = 1; i < noise.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    noise[i] = state / 2 ** 32 - 0.5;
  }
  const content: Graph = {
    nodes: [{ op: "MatMul", inputs: ["x", "w"], outputs: ["y"] }],
    inputs: [{ name: "x", datatype: "FP32", shape: [1, width] }],
    outputs: [{ name: "y", datatype: "FP32", shape: [1, width] }],
    initialisers: [tensor("w", "FP32", [width, width], new Uint8Array(noise.buffer))],
  };
  return build("wide", content, changes);
}
