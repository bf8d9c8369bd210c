import type { Tensor } from "../../receipts/index.ts";
import { ProcessingError } from "./errors.ts";
import { rawValue } from "./raw.ts";
import type { Raw, Value } from "./raw.ts";
import type { Pre, Processing } from "./schema.ts";
import { applyStep, countFrames } from "./steps.ts";
import { packTensor } from "./tensors.ts";

export interface PreprocessOptions {
  /** Which frame of audio, from 0; 0 by default. */
  frame?: number;
  /** The outputs of the call before, from which carried state is taken; without them it starts anew. */
  previous?: readonly Tensor[];
}

/** How many calls a raw input takes: the frames of audio, otherwise 1. @throws ProcessingError */
export function countCalls(processing: Processing, raw: Raw): number {
  const { steps, raw: spec } = requirePre(processing);
  const step = steps.find(({ op }) => op === "frame");
  return step?.op === "frame" ? countFrames(step, rawValue(spec, raw).data.length) : 1;
}

/**
 * A raw input to the model's input tensors, in the manifest's order of tensors. Arithmetic is in doubles, in the
 * order written, so that every platform gets the same bits.
 * @throws ProcessingError
 */
export function preprocess(processing: Processing, raw: Raw, options: PreprocessOptions = {}): Tensor[] {
  const pre = requirePre(processing);
  let value = rawValue(pre.raw, raw);
  for (const step of pre.steps) value = applyStep(step, value, options.frame ?? 0);
  return pre.tensors.map((spec) =>
    spec.from === "value" ? valueTensor(spec, value) : constantTensor(spec, options.previous),
  );
}

type TensorSpec<From> = Extract<Pre["tensors"][number], { from: From }>;

function valueTensor(spec: TensorSpec<"value">, value: Value): Tensor {
  const known = spec.shape.reduce((product, size) => (size === -1 ? product : product * size), 1);
  const free = value.data.length / known;
  if (!Number.isInteger(free) || free < 1 || (free !== 1 && !spec.shape.includes(-1))) {
    throw new ProcessingError(
      "shape_mismatch",
      `tensor "${spec.name}" of shape [${spec.shape}] cannot hold a value of shape [${value.shape}]`,
    );
  }
  const shape = spec.shape.map((size) => (size === -1 ? free : size));
  return packTensor(spec.name, spec.datatype, shape, value.data);
}

function constantTensor(spec: TensorSpec<"constant">, previous: readonly Tensor[] | undefined): Tensor {
  if (previous !== undefined && spec.carry !== undefined) return carriedTensor(spec, spec.carry, previous);
  const elements = spec.shape.reduce((product, size) => product * size, 1);
  if (elements > 1 << 20) throw new ProcessingError("step_invalid", `tensor "${spec.name}" is too large`);
  return packTensor(spec.name, spec.datatype, spec.shape, new Float64Array(elements).fill(spec.fill));
}

function carriedTensor(spec: TensorSpec<"constant">, carry: string, previous: readonly Tensor[]): Tensor {
  const output = previous.find(({ name }) => name === carry);
  const fits = output?.datatype === spec.datatype && output.shape.join() === spec.shape.join();
  if (output === undefined || !fits) {
    throw new ProcessingError(
      "carry_invalid",
      `the last call has no output "${carry}" of shape [${spec.shape}]`,
    );
  }
  return { name: spec.name, datatype: spec.datatype, shape: spec.shape, data: output.data };
}

function requirePre({ pre }: Processing): Pre {
  if (pre === null) throw new ProcessingError("processing_absent", "the model takes tensors only");
  return pre;
}
