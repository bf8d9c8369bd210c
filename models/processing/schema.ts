/**
 * Pre- and post-processing as data. A manifest holds it, so a receipt's `modelId` commits to how a raw file became
 * tensors and how the answer was read; the interpreter beside this file is the only code that acts on it.
 *
 * A value on its way is a row-major array of doubles with a shape: features `[n]`, an image `[height, width, channel]`
 * with samples in 0..1, audio `[sample]` in -1..1. Specified in `docs/spec/processing.md`.
 */
import { z } from "zod";

/** Most elements that a raw input, a value on its way or a tensor may have. */
export const MAX_ELEMENTS = 1 << 23;
export const MAX_FEATURES = 4096;

const text = (maximum: number) =>
  z
    .string()
    .min(1)
    .max(maximum)
    .regex(/^[^\p{Cc}]*$/u, "no control characters");
const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/, "64 lower-case hex digits");
const extent = z.int().min(1).max(65_536);
const factors = z.array(z.number()).min(1).max(MAX_FEATURES);
const unique = (list: readonly string[]) => new Set(list).size === list.length;

const rawSchema = z.discriminatedUnion("kind", [
  z.strictObject({
    kind: z.literal("features"),
    names: z.array(text(128)).min(1).max(MAX_FEATURES).refine(unique, "a feature appears twice"),
  }),
  /** PGM or PPM (P5, P6), or decoded pixels; 1 channel = luma, 3 = red, green, blue. */
  z.strictObject({ kind: z.literal("image"), channels: z.union([z.literal(1), z.literal(3)]) }),
  /** Mono WAV, 16-bit PCM, at exactly this rate: nothing here resamples. */
  z.strictObject({ kind: z.literal("audio"), sampleRateHz: z.int().min(1000).max(384_000) }),
]);

const preStepSchema = z.discriminatedUnion("op", [
  /** `(x - mean) / scale` along the last axis: one pair a feature, or one a channel. */
  z
    .strictObject({
      op: z.literal("standardise"),
      mean: factors,
      scale: z
        .array(z.number().refine((scale) => scale !== 0, "must not be 0"))
        .min(1)
        .max(MAX_FEATURES),
    })
    .refine(({ mean, scale }) => mean.length === scale.length, "mean and scale differ in length"),
  /** `area`: mean of the covered pixels, weighted by cover. `bilinear`: half-pixel centres, edges repeated. */
  z.strictObject({
    op: z.literal("resize"),
    method: z.enum(["area", "bilinear"]),
    height: extent,
    width: extent,
  }),
  /** Bilinear, aspect ratio kept; a width over `maxWidth` is an error, never squeezed. */
  z
    .strictObject({ op: z.literal("resizeToHeight"), height: extent, minWidth: extent, maxWidth: extent })
    .refine(({ minWidth, maxWidth }) => minWidth <= maxWidth, "minWidth is over maxWidth"),
  z.strictObject({
    op: z.literal("reorderChannels"),
    order: z
      .array(z.int().min(0).max(2))
      .min(1)
      .max(3)
      .refine((order) => new Set(order).size === order.length, "a channel appears twice"),
  }),
  /** On the right, up to `minWidth`. */
  z.strictObject({ op: z.literal("padWidth"), minWidth: extent, value: z.number() }),
  /** `[height, width, channel]` to `[channel, height, width]`. */
  z.strictObject({ op: z.literal("channelsFirst") }),
  /** Frame number k of audio: the `context` samples before it (0 before the start), then its `samples`. */
  z.strictObject({ op: z.literal("frame"), samples: extent, context: z.int().min(0).max(65_536) }),
]);

const shape = z.array(z.int().min(1).max(MAX_ELEMENTS)).max(8);
const datatype = z.enum(["FP32", "FP64", "INT32", "INT64"]);
const tensorSchema = z.discriminatedUnion("from", [
  /** The value that the steps left; -1 is a dimension that it decides, one at most. */
  z.strictObject({
    from: z.literal("value"),
    name: text(256),
    datatype,
    shape: z
      .array(z.union([z.literal(-1), z.int().min(1).max(MAX_ELEMENTS)]))
      .max(8)
      .refine(
        (dimensions) => dimensions.filter((size) => size === -1).length <= 1,
        "one free dimension at most",
      ),
  }),
  /** Filled with one number; with `carry`, taken from that output of the call before, where there was one. */
  z.strictObject({
    from: z.literal("constant"),
    name: text(256),
    datatype,
    shape,
    fill: z.number(),
    carry: text(256).optional(),
  }),
]);

const preSchema = z.strictObject({
  raw: rawSchema,
  steps: z.array(preStepSchema).max(16),
  tensors: z
    .array(tensorSchema)
    .min(1)
    .max(16)
    .refine((tensors) => unique(tensors.map(({ name }) => name)), "a tensor appears twice"),
});

/** A file that processing needs, by content; the source says where it may be found. */
const assetSchema = z.strictObject({
  sha256: sha256Hex,
  bytes: z
    .int()
    .min(1)
    .max(1 << 20),
  package: z
    .string()
    .max(214)
    .regex(/^(@[a-z0-9][a-z0-9._-]*\/)?[a-z0-9][a-z0-9._-]*$/, "an npm package"),
  version: text(64),
  file: z
    .string()
    .max(256)
    .regex(/^[\w@+-][\w@.+-]*(\/[\w@+-][\w@.+-]*)*$/, "a relative path with forward slashes"),
});

const resultSchema = z.discriminatedUnion("as", [
  /** One number, the probability of `of`: `below` or `atOrAbove` names the answer. */
  z.strictObject({
    as: z.literal("threshold"),
    of: text(128),
    threshold: z.number(),
    below: text(128),
    atOrAbove: text(128),
  }),
  /** The label of the largest number; the first of equals. */
  z.strictObject({ as: z.literal("argmax"), labels: z.array(text(128)).min(2).max(MAX_FEATURES) }),
]);

/** One output tensor, taken through the steps. */
const singleSchema = z.strictObject({
  /** The output tensor that is read. */
  output: text(256),
  steps: z
    .array(
      z.discriminatedUnion("op", [
        z.strictObject({ op: z.literal("sigmoid") }),
        /** Over the last axis. */
        z.strictObject({ op: z.literal("softmax") }),
      ]),
    )
    .max(4),
  result: resultSchema,
});

const pathSchema = z.strictObject({
  /**
   * Greedy CTC over the best class of each step and its probability, two outputs of shape `[step]` or `[1, step]`:
   * repeats merged, blanks dropped. Classes are the blank, then the dictionary's lines, then a space where `appendSpace`.
   */
  result: z.strictObject({
    as: z.literal("ctcPath"),
    index: text(256),
    probability: text(256),
    blank: z.literal(0),
    dictionary: assetSchema,
    appendSpace: z.boolean(),
  }),
});

const postSchema = z.union([singleSchema, pathSchema]);

/** Null where a model takes or gives tensors only. */
export const processingSchema = z.strictObject({ pre: preSchema.nullable(), post: postSchema.nullable() });

export type Processing = z.infer<typeof processingSchema>;
export type Pre = z.infer<typeof preSchema>;
export type PreStep = Pre["steps"][number];
export type SinglePost = z.infer<typeof singleSchema>;
export type PathPost = z.infer<typeof pathSchema>;
export type Asset = z.infer<typeof assetSchema>;
