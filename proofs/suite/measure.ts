/** What a model's circuit costs: built, proved and verified here, on its own samples. */
import { readFileSync } from "node:fs";
import { buildCircuit, checkProof, loadProofVerifier, type EzklSystem, type Sample } from "../index.ts";
import { fp32, zooModel } from "../testing/models.ts";
import type { ModelGraph } from "../system.ts";

export const SUITE = [
  "linear-regression",
  "svm",
  "random-forest-iris",
  "tree-ensemble-regression",
  "attention",
] as const;
export type SuiteName = (typeof SUITE)[number] | "breast-cancer" | "digits";

/** The bound of each: what its outputs can bear. */
const BOUNDS: Record<SuiteName, number> = {
  "linear-regression": 0.02,
  svm: 0.02,
  "random-forest-iris": 0.02,
  "tree-ensemble-regression": 0.05,
  attention: 0.1,
  "breast-cancer": 0.02,
  digits: 0.1,
};

export interface Measured {
  name: SuiteName;
  rows: number;
  logrows: number;
  scale: number;
  legs: string;
  witnessMs: number;
  proveMs: number;
  verifyMs: number;
  peakMemoryBytes: number;
  proofBytes: number;
  keyBytes: number;
  /** Largest difference of circuit and float output over the samples. */
  difference: number;
  bound: number;
}

export function suiteModel(name: SuiteName): { graph: ModelGraph; samples: Sample[] } {
  if (name === "breast-cancer" || name === "digits") return zooModel(name);
  const read = (extension: string) => readFileSync(new URL(`./${name}.${extension}`, import.meta.url));
  const made = JSON.parse(read("json").toString()) as {
    input: number[];
    output: number[];
    samples: { x: number[]; y: number[] }[];
  };
  return {
    graph: {
      onnx: new Uint8Array(read("onnx")),
      inputs: [{ name: "x", shape: made.input }],
      outputs: [{ name: "y", shape: made.output }],
    },
    samples: made.samples.map(({ x, y }) => ({
      inputs: [fp32("x", made.input, x)],
      outputs: [fp32("y", made.output, y)],
    })),
  };
}

export async function measure(
  system: EzklSystem,
  name: SuiteName,
  places: { cache: string; directory: string },
  onProgress?: (what: string) => void,
): Promise<Measured> {
  const { graph, samples } = suiteModel(name);
  const built = await buildCircuit(system, {
    model: graph,
    modelId: new Uint8Array(32),
    parameters: "fixed",
    bound: BigInt(BOUNDS[name] * 1e9),
    inputRange: 8,
    samples,
    ...places,
    onProgress,
  });
  const { circuit } = built.stored;
  const sCircuit = new Uint8Array(16).fill(1);
  const proved = await system.prove({ circuit: built.stored, inputs: samples[0]!.inputs, sCircuit });
  const verifier = await loadProofVerifier();
  const times: number[] = [];
  for (let i = 0; i < 5; i++) {
    const started = performance.now();
    checkProof(circuit, proved, verifier);
    times.push(performance.now() - started);
  }
  const settings = JSON.parse(built.stored.settings) as {
    run_args: { decomp_base: number; decomp_legs: number };
  };
  return {
    name,
    rows: circuit.rows,
    logrows: circuit.logrows,
    scale: circuit.inputScale,
    legs: `${settings.run_args.decomp_base}^${settings.run_args.decomp_legs}`,
    witnessMs: proved.stagesMs.witness ?? 0,
    proveMs: proved.stagesMs.prove ?? 0,
    verifyMs: times.toSorted((a, b) => a - b)[2]!,
    peakMemoryBytes: proved.peakMemoryBytes,
    proofBytes: circuit.proofBytes,
    keyBytes: built.stored.verifyingKey.length,
    difference: Number(built.difference) / 1e9,
    bound: BOUNDS[name],
  };
}
