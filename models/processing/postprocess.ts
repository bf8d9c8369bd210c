import type { Tensor } from "../../receipts/index.ts";
import { decodeCtcPath, readDictionary } from "./ctc.ts";
import type { Assets } from "./ctc.ts";
import { ProcessingError } from "./errors.ts";
import type { Value } from "./raw.ts";
import type { Asset, PathPost, Processing, SinglePost } from "./schema.ts";
import { unpackTensor } from "./tensors.ts";

/** What a person is shown. `probability` is that of `of`, which for a threshold need not be `label`. */
export type Display =
  | { kind: "label"; label: string; of: string; probability: number }
  | { kind: "text"; text: string; probability: number };

/** Files that {@link postprocess} must be given. */
export function requiredAssets({ post }: Processing): Asset[] {
  return post?.result.as === "ctcPath" ? [post.result.dictionary] : [];
}

/**
 * A model's outputs to what a person is shown; its probabilities are the model's own and say nothing of how often
 * it is right.
 * @throws ProcessingError `processing_absent`, `output_missing`, `output_invalid`, `shape_mismatch`, `asset_missing`, …
 */
export function postprocess(
  processing: Processing,
  outputs: readonly Tensor[],
  assets: Assets = new Map(),
): Display {
  const { post } = processing;
  if (post === null) throw new ProcessingError("processing_absent", "the model gives tensors only");
  if (!("steps" in post)) return readPath(post.result, outputs, assets);
  let value = unpackTensor(findOutput(outputs, post.output));
  for (const { op } of post.steps) value = op === "sigmoid" ? sigmoid(value) : softmax(value);
  return readLabel(post.result, value);
}

/** One line, free of control characters. */
export function formatDisplay(display: Display): string {
  const percent = `${(display.probability * 100).toFixed(1)} %`;
  const line =
    display.kind === "text"
      ? `"${display.text}" (mean character probability ${percent})`
      : `${display.label} (probability of ${display.of}: ${percent})`;
  return line.replace(/\p{Cc}/gu, "\u{fffd}");
}

function findOutput(outputs: readonly Tensor[], wanted: string): Tensor {
  const output = outputs.find(({ name }) => name === wanted);
  if (output === undefined) throw new ProcessingError("output_missing", `output "${wanted}" is missing`);
  return output;
}

function readPath(result: PathPost["result"], outputs: readonly Tensor[], assets: Assets): Display {
  const [indices, probabilities] = [result.index, result.probability].map((name) =>
    unpackTensor(findOutput(outputs, name)),
  );
  const characters = ["", ...readDictionary(result.dictionary, assets), ...(result.appendSpace ? [" "] : [])];
  return { kind: "text", ...decodeCtcPath(indices!, probabilities!, characters) };
}

function readLabel(result: SinglePost["result"], value: Value): Display {
  const expected = result.as === "argmax" ? result.labels.length : 1;
  if (value.data.length !== expected) {
    throw new ProcessingError("shape_mismatch", `shape [${value.shape}] does not hold ${expected} numbers`);
  }
  if (result.as === "argmax") {
    const best = argmax(value.data);
    const label = result.labels[best]!;
    return { kind: "label", label, of: label, probability: value.data[best]! };
  }
  const probability = value.data[0]!;
  const label = probability >= result.threshold ? result.atOrAbove : result.below;
  return { kind: "label", label, of: result.of, probability };
}

/** Index of the largest element; the first of equals. */
function argmax(values: Float64Array): number {
  let best = 0;
  for (let index = 1; index < values.length; index++) if (values[index]! > values[best]!) best = index;
  return best;
}

function sigmoid({ shape, data }: Value): Value {
  return { shape, data: data.map((x) => 1 / (1 + Math.exp(-x))) };
}

function softmax({ shape, data }: Value): Value {
  const width = shape.at(-1) ?? 1;
  const result = new Float64Array(data.length);
  for (let start = 0; start < data.length; start += width) {
    const row = data.subarray(start, start + width);
    // less the largest, so that no exponential overflows
    const largest = row.reduce((a, b) => Math.max(a, b), -Infinity);
    const powers = row.map((x) => Math.exp(x - largest));
    const sum = powers.reduce((a, b) => a + b, 0);
    result.set(
      powers.map((power) => power / sum),
      start,
    );
  }
  return { shape, data: result };
}
