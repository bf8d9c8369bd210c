/** Raw inputs: what a person has before a model's pre-processing. */
import { fromUtf8 } from "../../codec/index.ts";
import { parseWav } from "./audio.ts";
import type { Audio } from "./audio.ts";
import { ProcessingError } from "./errors.ts";
import { imageValue, parseNetpbm } from "./image.ts";
import type { Image } from "./image.ts";
import { MAX_ELEMENTS, MAX_FEATURES } from "./schema.ts";
import type { Pre, Processing } from "./schema.ts";

/** Longest raw file that is read, in bytes. */
const MAX_RAW_BYTES = 1 << 25;
const MAX_FEATURES_BYTES = 1 << 20;

/** Numbers by name, or in the manifest's order. */
export interface Features {
  kind: "features";
  values: ReadonlyMap<string, number> | readonly number[];
}

export type Raw = Features | Image | Audio;

/** Row-major doubles on their way from a raw input to a tensor, or from a tensor to a result. */
export interface Value {
  shape: number[];
  data: Float64Array;
}

/**
 * A file's bytes to the kind of raw input that the model takes: JSON (an object of numbers by feature name, or an
 * array in the manifest's order), PGM or PPM, mono WAV.
 * @throws ProcessingError `processing_absent`, `raw_too_large`, `raw_invalid`, or what the format's own parser says
 */
export function parseRaw({ pre }: Processing, bytes: Uint8Array): Raw {
  if (pre === null) throw new ProcessingError("processing_absent", "the model takes tensors only");
  if (bytes.length > MAX_RAW_BYTES) throw new ProcessingError("raw_too_large", "raw input is too large");
  if (pre.raw.kind === "image") return parseNetpbm(bytes);
  if (pre.raw.kind === "audio") return parseWav(bytes);
  return parseFeatures(bytes);
}

function parseFeatures(bytes: Uint8Array): Features {
  if (bytes.length > MAX_FEATURES_BYTES)
    throw new ProcessingError("raw_too_large", "feature file is too large");
  let document: unknown;
  try {
    document = JSON.parse(fromUtf8(bytes));
  } catch (cause) {
    throw new ProcessingError("raw_invalid", "features are not JSON", { cause });
  }
  if (typeof document !== "object" || document === null) {
    throw new ProcessingError("raw_invalid", "features are neither an object nor an array");
  }
  if (Array.isArray(document)) return { kind: "features", values: document.map(number) };
  return {
    kind: "features",
    values: new Map(Object.entries(document).map(([name, value]) => [name, number(value)])),
  };
}

/**
 * A raw input as the value that a model's first step takes.
 * @throws ProcessingError `raw_kind_mismatch`, `feature_missing`, `feature_unknown`, `audio_rate_mismatch`, …
 */
export function rawValue(spec: Pre["raw"], raw: Raw): Value {
  if (spec.kind === "features" && raw.kind === "features") return featureValue(spec.names, raw);
  if (spec.kind === "image" && raw.kind === "image") return imageValue(raw, spec.channels);
  if (spec.kind === "audio" && raw.kind === "audio") return audioValue(spec.sampleRateHz, raw);
  throw new ProcessingError("raw_kind_mismatch", `the model takes ${spec.kind}, not ${raw.kind}`);
}

function featureValue(names: readonly string[], { values }: Features): Value {
  const count = Array.isArray(values) ? values.length : (values as ReadonlyMap<string, number>).size;
  if (count > MAX_FEATURES) throw new ProcessingError("raw_too_large", "too many features");
  const byName = Array.isArray(values) ? undefined : (values as ReadonlyMap<string, number>);
  const list = byName ? names.map((name) => byName.get(name)) : (values as readonly number[]);
  const missing = names.find((_, index) => list[index] === undefined);
  if (missing !== undefined) throw new ProcessingError("feature_missing", `feature "${missing}" is missing`);
  if (count > names.length) {
    const unknown = byName && [...byName.keys()].find((name) => !names.includes(name));
    throw new ProcessingError(
      "feature_unknown",
      `feature ${JSON.stringify(unknown ?? names.length)} is unknown`,
    );
  }
  return { shape: [names.length], data: Float64Array.from(list as number[], number) };
}

function audioValue(sampleRateHz: number, audio: Audio): Value {
  if (audio.sampleRateHz !== sampleRateHz) {
    throw new ProcessingError(
      "audio_rate_mismatch",
      `the model takes ${sampleRateHz} Hz, the audio has ${audio.sampleRateHz} Hz`,
    );
  }
  if (audio.samples.length === 0) throw new ProcessingError("audio_invalid", "audio is empty");
  if (audio.samples.length > MAX_ELEMENTS) throw new ProcessingError("audio_too_long", "audio is too long");
  return { shape: [audio.samples.length], data: Float64Array.from(audio.samples) };
}

function number(value: unknown): number {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new ProcessingError("feature_invalid", "a feature is not a finite number");
}
