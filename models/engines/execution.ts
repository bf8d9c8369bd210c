/**
 * The execution record: what a re-execution must pin to get the same bytes. Its canonical JSON is `executionText`, the
 * SHA-256 of that `executionDigest`. What only the host can know (the provider) comes from the host, the rest from here.
 */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { cpus } from "node:os";
import { jcs, sha256, utf8 } from "../../codec/index.ts";
import type { LoadReply } from "./wire.ts";

/** Instruction sets that choose ONNX Runtime's kernels, as Linux names them. */
const ISA_FLAGS = new Set(
  (
    "sse4_1 sse4_2 avx avx2 fma f16c avx_vnni avx512f avx512bw avx512cd avx512dq avx512vl avx512_vnni avx512_bf16 " +
    "avx512_fp16 amx_tile amx_int8 amx_bf16 asimd asimdhp asimddp fphp sve sve2 i8mm bf16 svei8mm svebf16 sme"
  ).split(" "),
);

interface CpuDescription {
  [member: string]: string | string[];
  vendor: string;
  family: string;
  model: string;
  name: string;
  flags: string[];
}

/** The first processor of `/proc/cpuinfo`'s text; members that it does not name are empty. */
export function parseCpuInfo(text: string): CpuDescription {
  const fields = new Map<string, string>();
  for (const line of text.split("\n\n", 1)[0]!.split("\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.slice(0, colon).trim(), line.slice(colon + 1).trim());
  }
  const field = (...names: string[]) => names.map((name) => fields.get(name)).find((value) => value) ?? "";
  return {
    vendor: field("vendor_id", "CPU implementer"),
    family: field("cpu family", "CPU architecture"),
    model: field("model", "CPU part"),
    name: field("model name"),
    flags: field("flags", "Features")
      .split(" ")
      .filter((flag) => ISA_FLAGS.has(flag))
      .sort(),
  };
}

let described: CpuDescription | undefined;

function describeCpu(): CpuDescription {
  if (described) return described;
  try {
    described = parseCpuInfo(readFileSync("/proc/cpuinfo", "utf8"));
  } catch {
    described = { vendor: "", family: "", model: "", name: cpus()[0]?.model ?? "", flags: [] };
  }
  return described;
}

let version: string | undefined;

/** Read at the first run: a client that runs no model need not have the engine. */
function engineVersion(): string {
  const require = createRequire(import.meta.url);
  version ??= (require("onnxruntime-node/package.json") as { version: string }).version;
  return version;
}

export interface Execution {
  executionText: string;
  executionDigest: Uint8Array;
}

/** What the host tells of a session. */
export type Placement = Pick<
  LoadReply,
  "provider" | "cpuOperations" | "operations" | "adapter" | "precision"
>;

export function executionRecord(placement: Placement, threads: number): Execution {
  const { provider, cpuOperations, operations, adapter, precision } = placement;
  const executionText = jcs({
    formatVersion: 2,
    engine: "onnxruntime-node",
    version: engineVersion(),
    provider,
    cpuOperations,
    operations,
    adapter: adapter && { ...adapter },
    precision,
    platform: `${process.platform}-${process.arch}`,
    cpu: describeCpu(),
    threads,
    optimisation: "all",
    mode: "sequential",
    /** Requests that share one run: never more than one. */
    batch: 1,
    seed: null,
  });
  return { executionText, executionDigest: sha256(utf8(executionText)) };
}
