/** What a proof system does for the service and the command line; EZKL is the one there is. */
import type { Tensor } from "../receipts/index.ts";
import type { CircuitTensor, ParameterMode, ProofSystemName } from "./circuit.ts";
import type { ProofParts } from "./verifier.ts";
import type { StoredCircuit } from "./store.ts";

/** In this order; `queued` while every worker is busy. */
export const PROVE_STAGES = ["queued", "witness", "prove", "verify"] as const;
export type ProveStage = (typeof PROVE_STAGES)[number];

export interface OperationOptions {
  /** Ends the operation and the worker it runs in. */
  signal?: AbortSignal | undefined;
  /** Counted from when a worker takes it. */
  timeoutMs?: number | undefined;
}

export interface ProveRequest extends OperationOptions {
  circuit: StoredCircuit;
  /** FP32 tensors of the circuit's names and shapes. */
  inputs: readonly Tensor[];
  /** 16 bytes. */
  sCircuit: Uint8Array;
  onProgress?: ((stage: ProveStage) => void) | undefined;
}

export interface RawProof {
  proof: Uint8Array;
  /** 32 bytes each, little-endian. */
  instances: Uint8Array[];
  /** How long each stage took. */
  stagesMs: Partial<Record<ProveStage, number>>;
  /** The largest resident size of the worker so far. */
  peakMemoryBytes: number;
}

export type ProveResult = ProofParts & RawProof;

/** How a model is to be made a circuit. */
export interface CircuitSettings {
  parameters: ParameterMode;
  /** Of inputs and parameters: an integer is the real value x 2^scale. */
  scale: number;
  decompositionBase: number;
  decompositionLegs: number;
  /** Smallest and largest value that operators may look up (exp, tanh and such); undefined: 16 bits. */
  lookupRange?: readonly [number, number] | undefined;
  /** log2 of the rows; undefined: as few as may hold it. */
  logrows?: number | undefined;
}

/** A model as a circuit is made of it: FP32 tensors of whole shapes. */
export interface ModelGraph {
  onnx: Uint8Array;
  inputs: CircuitTensor[];
  outputs: CircuitTensor[];
}

export interface CompiledCircuit {
  /** In the order of the instances. */
  outputs: CircuitTensor[];
  inputScale: number;
  outputScale: number;
  rows: number;
  logrows: number;
}

/** What came of running a compiled circuit on samples without proving. */
export interface Rehearsal {
  /** For each sample, the outputs as integers; null where the circuit cannot take it. */
  outputs: (bigint[] | null)[];
  /** Instance 1 where the parameters are hashed, 32 bytes little-endian. */
  parametersHash: Uint8Array | null;
  /** Smallest and largest value that was looked up. */
  lookups: [number, number];
}

/** `whole`: one contract with its verifying key inside; `reusable`: one for all circuits, beside a contract that is the key. */
export type VerifierForm = "whole" | "reusable";

/** Solidity, a source each. */
export interface VerifierSource {
  form: VerifierForm;
  verifier: string;
  /** Null where the verifier has its own. */
  key: string | null;
}

export interface ProofSystem {
  readonly name: ProofSystemName;
  /** Makes the circuit of a model with one more input, the salt, in a folder. @throws ProofError `circuit_unsupported` */
  compile(
    directory: string,
    model: ModelGraph,
    settings: CircuitSettings,
    options?: OperationOptions,
  ): Promise<CompiledCircuit>;
  /** Runs a compiled circuit on inputs of `circuitElements`' form. */
  rehearse(
    directory: string,
    inputScale: number,
    samples: readonly (readonly number[])[],
    options?: OperationOptions,
  ): Promise<Rehearsal>;
  /** Whether the constraints hold for one input, with no key and no SRS: shows that the circuit has rows enough. */
  mock(
    directory: string,
    inputScale: number,
    elements: readonly number[],
    options?: OperationOptions,
  ): Promise<boolean>;
  /** Compiles a folder's `model.onnx` by its `settings.json` as they are. */
  recompile(directory: string, options?: OperationOptions): Promise<void>;
  /** Makes verifying and proving key; the SRS is `kzg.srs` in the folder. */
  setup(directory: string, options?: OperationOptions): Promise<void>;
  /** A development SRS, whose maker can forge proofs. */
  generateSrs(file: string, logrows: number, options?: OperationOptions): Promise<void>;
  /** Proves in a folder that may not be a stored circuit yet, and verifies what it proved by that folder's keys. */
  proveIn(
    directory: string,
    inputScale: number,
    elements: readonly number[],
    options?: OperationOptions & Pick<ProveRequest, "onProgress">,
  ): Promise<RawProof>;
  /** Proves, and verifies what it proved. @throws ProofError `prover_*`, `circuit_*`, `cancelled` */
  prove(request: ProveRequest): Promise<ProveResult>;
  /** Verifies natively. */
  verify(circuit: StoredCircuit, parts: ProofParts, options?: OperationOptions): Promise<boolean>;
  /** What verifies proofs of this circuit on chain; `compileVerifier` makes code of it. */
  onChainVerifier(
    circuit: StoredCircuit,
    form: VerifierForm,
    options?: OperationOptions,
  ): Promise<VerifierSource>;
  /** Ends the workers. */
  close(): Promise<void>;
}
