/**
 * The execution record as a reader finds it: under what a model ran. `executionDigest` is the SHA-256 of its canonical
 * JSON. It is the attested code's word, as the outputs are; what the host's driver says of an adapter is in it
 * unchecked. Specified in `docs/spec/manifest.md`. Browser-safe.
 */
import { z } from "zod";
import { EXECUTION_PROVIDERS } from "./manifest.ts";

/** A software adapter computes on the processor, whatever programming interface it is reached by. */
export const ADAPTER_TYPES = ["discrete", "integrated", "virtual", "software", "unknown"] as const;
export type AdapterType = (typeof ADAPTER_TYPES)[number];

/**
 * How the adapter is known: `loader`, the Vulkan loader said which device was opened; `only`, the host process sees no
 * other; `ordinal`, the first device of the CUDA driver, which the provider is made with; `none`, nobody says, and name
 * and type are left open.
 */
export const ADAPTER_SOURCES = ["loader", "only", "ordinal", "none"] as const;

export interface Adapter {
  /** As its driver calls it, at most 256 characters; empty where unknown. */
  name: string;
  type: AdapterType;
  /** Driver and version; empty where unknown. */
  driver: string;
  source: (typeof ADAPTER_SOURCES)[number];
}

/**
 * `graph`: each operation in the datatype that the graph gives it; `tf32`: the CUDA libraries may round FP32 operands
 * of products to 10 bits of mantissa; `provider`: the provider may choose a narrower type.
 */
export const PRECISIONS = ["graph", "tf32", "provider"] as const;
export type Precision = (typeof PRECISIONS)[number];

export const adapterSchema = z.strictObject({
  name: z.string().max(256),
  type: z.enum(ADAPTER_TYPES),
  driver: z.string().max(256),
  source: z.enum(ADAPTER_SOURCES),
});

/** How many operations of a graph went where, after optimisation. */
export const operationsSchema = z.strictObject({ provider: z.int().min(0), cpu: z.int().min(0) });

const executionSchema = z.object({
  formatVersion: z.literal(2),
  engine: z.string().max(128),
  version: z.string().max(128),
  provider: z.enum(EXECUTION_PROVIDERS),
  /** Whether a part of the graph ran on the CPU under another provider. */
  cpuOperations: z.boolean(),
  /** Null where none was left to the CPU, and where the engine does not say. */
  operations: operationsSchema.nullable(),
  /** Null under `cpu`. */
  adapter: adapterSchema.nullable(),
  precision: z.enum(PRECISIONS),
});

export type ExecutionRecord = z.infer<typeof executionSchema>;

/** Reads a record of the ONNX Runtime engine; undefined for one of another engine or format, whose text stays the record. */
export function parseExecutionRecord(text: string): ExecutionRecord | undefined {
  try {
    const result = executionSchema.safeParse(JSON.parse(text));
    return result.success ? result.data : undefined;
  } catch {
    return undefined;
  }
}

/** One line for people: `webgpu on SwiftShader Device (software)`. */
export function formatExecution({ provider, adapter, cpuOperations }: ExecutionRecord): string {
  if (adapter === null) return provider;
  const name = adapter.name || "an adapter that nobody names";
  return `${provider} on ${name} (${adapter.type}${cpuOperations ? ", parts on the CPU" : ""})`;
}
