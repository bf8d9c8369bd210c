/** The pre-processing steps, one function each, from value to value. */
import { ProcessingError } from "./errors.ts";
import type { Value } from "./raw.ts";
import { areaKernel, bilinearKernel, resample } from "./resample.ts";
import { MAX_ELEMENTS } from "./schema.ts";
import type { PreStep } from "./schema.ts";

type Step<Op extends PreStep["op"]> = Extract<PreStep, { op: Op }>;

/** @throws ProcessingError `step_invalid` where the value has not the form the step takes, `image_too_wide`, … */
export function applyStep(step: PreStep, value: Value, frame: number): Value {
  switch (step.op) {
    case "standardise":
      return standardise(step, value);
    case "resize":
      return resize(step, requireImage(step.op, value));
    case "resizeToHeight":
      return resizeToHeight(step, requireImage(step.op, value));
    case "reorderChannels":
      return reorderChannels(step, requireImage(step.op, value));
    case "padWidth":
      return padWidth(step, requireImage(step.op, value));
    case "channelsFirst":
      return channelsFirst(requireImage(step.op, value));
    case "frame":
      return takeFrame(step, value, frame);
  }
}

/** How many frames a step cuts `length` samples into: the last is filled up with zeros. */
export function countFrames({ samples }: Step<"frame">, length: number): number {
  return Math.max(1, Math.ceil(length / samples));
}

function standardise({ mean, scale }: Step<"standardise">, { shape, data }: Value): Value {
  if (shape.at(-1) !== mean.length) {
    throw new ProcessingError("step_invalid", `standardise has ${mean.length} factors for shape [${shape}]`);
  }
  return {
    shape,
    data: data.map((x, index) => (x - mean[index % mean.length]!) / scale[index % mean.length]!),
  };
}

function resize({ method, height, width }: Step<"resize">, image: Value): Value {
  const [fromHeight = 0, fromWidth = 0] = image.shape;
  const kernel = method === "area" ? areaKernel : bilinearKernel;
  return resample(image, kernel(fromHeight, height), kernel(fromWidth, width));
}

/** A line longer than `minWidth` takes the floor of its width, a shorter one the ceiling, as PP-OCR's recogniser does. */
function resizeToHeight({ height, minWidth, maxWidth }: Step<"resizeToHeight">, image: Value): Value {
  const [fromHeight = 0, fromWidth = 0] = image.shape;
  const scaled = (height * fromWidth) / fromHeight;
  const width = Math.min(Math.max(minWidth, Math.floor(scaled)), Math.ceil(scaled));
  if (width > maxWidth)
    throw new ProcessingError("image_too_wide", `${width} pixels at height ${height}, at most ${maxWidth}`);
  return resample(image, bilinearKernel(fromHeight, height), bilinearKernel(fromWidth, width));
}

function reorderChannels({ order }: Step<"reorderChannels">, { shape, data }: Value): Value {
  const [height = 0, width = 0, channels = 0] = shape;
  if (order.some((channel) => channel >= channels)) {
    throw new ProcessingError("step_invalid", `reorderChannels names a channel that shape [${shape}] lacks`);
  }
  const source = (index: number) =>
    Math.floor(index / order.length) * channels + order[index % order.length]!;
  return {
    shape: [height, width, order.length],
    data: Float64Array.from({ length: height * width * order.length }, (_, index) => data[source(index)]!),
  };
}

function padWidth({ minWidth, value }: Step<"padWidth">, image: Value): Value {
  const [height = 0, width = 0, channels = 0] = image.shape;
  if (width >= minWidth) return image;
  if (height * minWidth * channels > MAX_ELEMENTS)
    throw new ProcessingError("image_too_large", "padding is too large");
  const data = new Float64Array(height * minWidth * channels).fill(value);
  for (let row = 0; row < height; row++) {
    data.set(
      image.data.subarray(row * width * channels, (row + 1) * width * channels),
      row * minWidth * channels,
    );
  }
  return { shape: [height, minWidth, channels], data };
}

function channelsFirst({ shape, data }: Value): Value {
  const [height = 0, width = 0, channels = 0] = shape;
  const pixels = height * width;
  return {
    shape: [channels, height, width],
    data: data.map((_, index) => data[(index % pixels) * channels + Math.floor(index / pixels)]!),
  };
}

function takeFrame(step: Step<"frame">, { shape, data }: Value, frame: number): Value {
  if (shape.length !== 1)
    throw new ProcessingError("step_invalid", `frame takes audio, not shape [${shape}]`);
  const count = countFrames(step, data.length);
  if (!Number.isInteger(frame) || frame < 0 || frame >= count) {
    throw new ProcessingError("frame_out_of_range", `frame ${frame} of ${count}`);
  }
  const cut = new Float64Array(step.context + step.samples);
  const start = frame * step.samples - step.context;
  const from = Math.max(start, 0);
  cut.set(data.subarray(from, start + cut.length), from - start);
  return { shape: [cut.length], data: cut };
}

function requireImage(op: string, value: Value): Value {
  if (value.shape.length !== 3)
    throw new ProcessingError("step_invalid", `${op} takes an image, not shape [${value.shape}]`);
  return value;
}
