/**
 * The manifest: everything about a model that a receipt commits to. Its identity, `modelId`, is the SHA-256 of its
 * canonical JSON (RFC 8785), so that no member can change without the receipts saying so. Specified in
 * `docs/spec/manifest.md`. Browser-safe.
 */
import { z } from "zod";
import { jcs, sha256, utf8 } from "../codec/index.ts";
import type { Json } from "../codec/index.ts";
import { DATATYPES } from "../receipts/index.ts";
import type { Datatype } from "../receipts/index.ts";
import { ModelError } from "./errors.ts";
import { processingSchema } from "./processing/index.ts";
import { licenceText, provenanceSchema } from "./provenance.ts";

/** Longest manifest that is read, in UTF-16 code units. */
const MAX_MANIFEST_LENGTH = 1 << 20;
const MAX_RANK = 8;
const MAX_REDUCTIONS = 16;
/** Largest dimension: fits ONNX Runtime's and every caller's integers. */
const MAX_DIMENSION = 2 ** 31 - 1;

export const EXECUTION_PROVIDERS = ["cpu", "cuda", "tensorrt", "webgpu", "dml", "coreml", "qnn"] as const;
export type ExecutionProvider = (typeof EXECUTION_PROVIDERS)[number];

// A lone surrogate has no UTF-8, so two texts could have one digest.
const prose = (maximum: number) =>
  z
    .string()
    .min(1)
    .max(maximum)
    .refine((text) => text.isWellFormed(), "not well-formed Unicode");
const line = (maximum: number) => prose(maximum).regex(/^[^\p{Cc}]*$/u, "one line of text");
const hex32 = z.string().regex(/^[0-9a-f]{64}$/, "64 lower-case hex digits");
const versionText = z
  .string()
  .max(32)
  .regex(/^(0|[1-9]\d{0,8})(\.(0|[1-9]\d{0,8})){0,2}$/, "one to three numbers");
const relativePath = z
  .string()
  .max(256)
  .regex(/^[\w@.+-]+(\/[\w@.+-]+)*$/, "a relative path with forward slashes")
  .refine((path) => !path.split("/").some((part) => part === "." || part === ".."), "no dot segments");

/** `sha256:<64 hex>`, or npm's subresource integrity `sha512-<base64>`. */
const sourceDigest = z.string().regex(/^(sha256:[0-9a-f]{64}|sha512-[A-Za-z0-9+/]{86}==)$/, "a digest");
const sourceVersion = line(64);

const sourceSchema = z.union([
  z.strictObject({
    package: z
      .string()
      .max(214)
      .regex(/^(@[a-z0-9][a-z0-9._-]*\/)?[a-z0-9][a-z0-9._-]*$/, "an npm package"),
    version: sourceVersion,
    file: relativePath,
    digest: sourceDigest,
  }),
  z.strictObject({
    url: z.url({ protocol: /^https$/ }).max(2048),
    version: sourceVersion,
    file: relativePath.optional(),
    digest: sourceDigest,
  }),
  z.strictObject({
    script: relativePath,
    version: sourceVersion,
    file: relativePath.optional(),
    digest: sourceDigest,
  }),
]);

const dimension = z.int().min(1).max(MAX_DIMENSION);
const tensorSchema = z
  .strictObject({
    name: line(128),
    datatype: z.enum(Object.keys(DATATYPES) as [Datatype, ...Datatype[]]),
    /** -1 marks a dimension that the caller (or, in an output, the model) chooses. */
    shape: z.array(z.union([z.literal(-1), dimension])).max(MAX_RANK),
    /** Bounds of the free dimensions: same rank, and equal to `shape` in the fixed ones. */
    maxShape: z.array(dimension).max(MAX_RANK).optional(),
    unit: line(64),
    meaning: prose(2000),
    /** Whether NaN and infinities are refused; has a meaning in FP16, FP32 and FP64 only. */
    finite: z.boolean(),
  })
  .refine(
    ({ shape, maxShape }) =>
      maxShape === undefined ||
      (maxShape.length === shape.length &&
        shape.every((size, axis) => size === -1 || size === maxShape[axis])),
    { path: ["maxShape"], message: "must have the rank of shape and equal it in its fixed dimensions" },
  );

const tensorList = z
  .array(tensorSchema)
  .min(1)
  .max(64)
  .refine((list) => new Set(list.map(({ name }) => name)).size === list.length, "a name appears twice");

/** A graph output of shape `[...,C]` that the engine replaces by what is left of it, two outputs of shape `[...]`. */
const reductionSchema = z.strictObject({
  /** The graph's name of it. */
  output: line(128),
  /** Index of the largest element of the last axis, the first of equals, and the element. */
  op: z.literal("bestOfLast"),
  index: line(128),
  value: line(128),
});

const outputKindSchema = z.discriminatedUnion("kind", [
  z.strictObject({ kind: z.literal("fixedPoint"), scale: z.int().min(0).max(36) }),
  z.strictObject({ kind: z.literal("tensor") }),
  z.strictObject({ kind: z.literal("utf8") }),
]);

const assuranceSchema = z
  .array(z.enum(["tee", "tee+zk", "tee+reexecution"]))
  .min(1)
  .max(3)
  .refine((list) => new Set(list).size === list.length, "an assurance appears twice")
  .refine((list) => list.includes("tee"), "must hold tee");

const accuracySchema = z.strictObject({
  metric: line(128),
  value: z.number(),
  dataset: line(512),
  split: line(512),
});

const manifestSchema = z
  .strictObject({
    formatVersion: z.literal(1),
    name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,63}$/, "lower-case letters, digits and hyphens"),
    version: versionText,
    title: line(200),
    description: prose(8000),
    /** SPDX licence expression. */
    licence: licenceText,
    source: sourceSchema,
    weights: z.strictObject({
      sha256: hex32,
      bytes: z
        .int()
        .min(1)
        .max(2 ** 31 - 1),
      format: z.literal("onnx"),
    }),
    inputs: tensorList,
    /** What callers see: after `reduce`. */
    outputs: tensorList,
    /** Done in the engine, before an output is sent, hashed or signed. */
    reduce: z.array(reductionSchema).min(1).max(MAX_REDUCTIONS).optional(),
    processing: processingSchema,
    outputKind: outputKindSchema,
    assurance: assuranceSchema,
    /** Null where nobody measured it. */
    accuracy: accuracySchema.nullable(),
    /** The owner's Ed25519 key: signs what is said of the model later, such as which circuit proves it. */
    owner: hex32.optional(),
    provenance: provenanceSchema.optional(),
    limits: z.strictObject({
      /** Bound of the first dimension of every input where it is free. */
      maxBatch: z.int().min(1).max(65536),
      timeoutMs: z.int().min(1).max(3_600_000),
    }),
    /** Tried in this order; a second entry is an explicit fallback. Without it the engine's own list holds. */
    executionProviders: z
      .array(z.enum(EXECUTION_PROVIDERS))
      .min(1)
      .max(EXECUTION_PROVIDERS.length)
      .optional(),
    /** How far a re-execution on other hardware may differ, element by element, and still agree. */
    tolerance: z.strictObject({ absolute: z.number().min(0), relative: z.number().min(0) }).optional(),
  })
  .refine((manifest) => manifest.outputKind.kind !== "fixedPoint" || manifest.outputs.every(isNumeric), {
    path: ["outputKind"],
    message: "fixedPoint needs numeric outputs",
  })
  .superRefine(({ reduce = [], outputs }, context) => {
    const message = reductionFault(reduce, outputs);
    if (message !== undefined) context.addIssue({ code: "custom", path: ["reduce"], message });
  });

/** Why the reductions do not leave what the outputs say; undefined where they do. */
function reductionFault(
  reductions: readonly Reduction[],
  outputs: readonly z.infer<typeof tensorSchema>[],
): string | undefined {
  const names = reductions.flatMap(({ output, index, value }) => [output, index, value]);
  if (new Set(names).size !== names.length) return "a name appears twice";
  for (const { output, index, value } of reductions) {
    const find = (wanted: string) => outputs.find(({ name }) => name === wanted);
    const [indices, values] = [find(index), find(value)];
    if (find(output)) return "an output that is reduced is not among outputs";
    if (!indices || !values) return "index and value must be among outputs";
    if (indices.datatype !== "INT32") return "index must be INT32";
    if (values.datatype !== "FP32" && values.datatype !== "FP64") return "value must be FP32 or FP64";
    if (JSON.stringify(indices.shape) !== JSON.stringify(values.shape))
      return "index and value differ in shape";
  }
  return undefined;
}

function isNumeric(tensor: { datatype: Datatype }): boolean {
  return tensor.datatype !== "BYTES" && tensor.datatype !== "BOOL";
}

export type Manifest = z.infer<typeof manifestSchema>;
export type TensorSpec = Manifest["inputs"][number];
export type Reduction = z.infer<typeof reductionSchema>;

/**
 * JSON text to a manifest. The text need not be canonical; nothing it says about weights is checked here.
 * @throws ModelError `manifest_invalid`, naming the first member at fault
 */
export function parseManifest(text: string): Manifest {
  if (text.length > MAX_MANIFEST_LENGTH) throw new ModelError("manifest_invalid", "manifest is too long");
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new ModelError("manifest_invalid", "manifest is not JSON", { cause });
  }
  const result = manifestSchema.safeParse(value);
  if (result.success) {
    try {
      manifestText(result.data);
    } catch (cause) {
      throw new ModelError("manifest_invalid", "manifest has no canonical form", { cause });
    }
    return result.data;
  }
  const issue = result.error.issues[0];
  const path = issue?.path.map(String).join(".") || "manifest";
  throw new ModelError("manifest_invalid", `${path}: ${issue?.message ?? "invalid"}`);
}

/**
 * The text whose digest a receipt names, to a manifest: it must already be canonical, so that no two readers can
 * see two manifests in one text.
 * @throws ModelError `manifest_invalid`, `manifest_not_canonical`
 */
export function parseCanonicalManifest(text: string): Manifest {
  const manifest = parseManifest(text);
  if (manifestText(manifest) !== text) {
    throw new ModelError("manifest_not_canonical", "manifest text is not canonical JSON (RFC 8785)");
  }
  return manifest;
}

/** The canonical text (RFC 8785) that {@link modelId} hashes. */
export function manifestText(manifest: Manifest): string {
  return jcs(manifest as unknown as Json);
}

/** `modelId` of a canonical manifest text: its SHA-256, 32 bytes. */
export function modelId(text: string): Uint8Array {
  return sha256(utf8(text));
}

/** Negative, zero or positive as `a` is lower than, the same as or higher than `b`; numbers count, not letters. */
export function compareVersions(a: string, b: string): number {
  const left = a.split(".").map(Number);
  const right = b.split(".").map(Number);
  for (let i = 0; i < 3; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}
