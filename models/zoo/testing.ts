/** What the zoo's tests and its example maker share: its folders, and ONNX Runtime without the engine around it. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { InferenceSession, Tensor as OrtTensor } from "onnxruntime-node";
import { bestOfLast } from "../engines/reduce.ts";
import { parseManifest } from "../manifest.ts";
import type { Manifest } from "../manifest.ts";
import type { Display } from "../processing/index.ts";
import type { Tensor } from "../../receipts/index.ts";
import { readPackageFile } from "./package-files.ts";

export const ZOO = import.meta.dirname;
export const NAMES = ["breast-cancer", "digits", "ocr", "vad"] as const;
export type Name = (typeof NAMES)[number];

/** `expected.json`: what `example.json` gives, and the raw file and frame that it was made from. */
export interface Expected {
  raw: string;
  frame?: number;
  outputs: ExpectedOutput[];
  display: Display;
  displayTolerance: number;
}

export interface ExpectedOutput {
  name: string;
  datatype: "FP32" | "INT32";
  shape: number[];
  data: number[];
  tolerance: number;
}

export async function readManifest(name: Name): Promise<Manifest> {
  return parseManifest(await readFile(join(ZOO, name, "manifest.json"), "utf8"));
}

export async function readExpected(name: Name): Promise<Expected> {
  return JSON.parse(await readFile(join(ZOO, name, "expected.json"), "utf8")) as Expected;
}

export async function readWeights({ name, source, weights }: Manifest): Promise<Uint8Array> {
  if ("package" in source) return readPackageFile(source, weights.bytes);
  return readFile(join(ZOO, name, "model.onnx"));
}

export async function createSession(weights: Uint8Array): Promise<InferenceSession> {
  return InferenceSession.create(weights, {
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  });
}

/** Outputs as the manifest has them. The zoo's models take FP32 and INT64 only; their graphs give FP32. */
export async function run(
  { reduce = [] }: Manifest,
  session: InferenceSession,
  inputs: readonly Tensor[],
): Promise<Tensor[]> {
  const feeds = Object.fromEntries(inputs.map((tensor) => [tensor.name, toOrt(tensor)]));
  const results = await session.run(feeds);
  return Object.entries(results).flatMap(([name, { data, dims }]) => {
    if (!(data instanceof Float32Array)) throw new TypeError(`output ${name} is not FP32`);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    const tensor: Tensor = { name, datatype: "FP32", shape: [...dims], data: bytes };
    const reduction = reduce.find(({ output }) => output === name);
    return reduction ? bestOfLast(reduction, tensor) : [tensor];
  });
}

export function floats({ data }: Tensor): Float32Array {
  return new Float32Array(data.slice().buffer);
}

/** The numbers of an FP32 or INT32 tensor. */
export function numbers(tensor: Tensor): Float32Array | Int32Array {
  return tensor.datatype === "INT32" ? new Int32Array(tensor.data.slice().buffer) : floats(tensor);
}

function toOrt({ datatype, shape, data }: Tensor): OrtTensor {
  const { buffer } = data.slice();
  if (datatype === "INT64") return new OrtTensor("int64", new BigInt64Array(buffer), shape);
  if (datatype === "FP32") return new OrtTensor("float32", new Float32Array(buffer), shape);
  throw new TypeError(`no ${datatype} in the zoo`);
}
