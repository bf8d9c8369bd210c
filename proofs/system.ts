/** What a proof system does for the service and the command line; EZKL is the one there is. */
import type { Tensor } from "../receipts/index.ts";
import type { Circuit, CircuitTensor, ParameterMode, ProofSystemName } from "./circuit.ts";
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

export interface ProveResult extends ProofParts {
  /** How long each stage took. */
  stagesMs: Partial<Record<ProveStage, number>>;
  /** The largest resident size of the worker so far. */
  peakMemoryBytes: number;
}

/** How a model is to be made a circuit. */
export interface CircuitSettings {
  parameters: ParameterMode;
  /** Of inputs and parameters: an integer is the real value x 2^scale. */
  scale: number;
  decompositionBase: number;
  decompositionLegs: number;
}

export interface CompiledCircuit {
  inputs: CircuitTensor[];
  outputs: CircuitTensor[];
  inputScale: number;
  outputScale: number;
  rows: number;
  /** The fewest rows, as a power of two, that hold it. */
  logrows: number;
}

/** What came of running a compiled circuit on samples without proving. */
export interface Rehearsal {
  /** For each sample, the outputs as integers; null where the circuit cannot take it. */
  outputs: (bigint[] | null)[];
  /** Instance 1 where the parameters are hashed, 32 bytes little-endian. */
  parametersHash: Uint8Array | null;
}

/** A folder in which a circuit is being made. */
export interface Workspace {
  directory: string;
}

export interface ProofSystem {
  readonly name: ProofSystemName;
  /** Makes the circuit of an ONNX model with one more input, the salt, in a folder. @throws ProofError `circuit_unsupported` */
  compile(
    workspace: Workspace,
    onnx: Uint8Array,
    settings: CircuitSettings,
    options?: OperationOptions,
  ): Promise<CompiledCircuit>;
  /** Runs a compiled circuit on inputs of `circuitElements`' form. */
  rehearse(
    workspace: Workspace,
    inputScale: number,
    samples: readonly (readonly number[])[],
    options?: OperationOptions,
  ): Promise<Rehearsal>;
  /** Makes verifying and proving key; the SRS is `kzg.srs` in the folder. */
  setup(workspace: Workspace, options?: OperationOptions): Promise<void>;
  /** A development SRS, whose maker can forge proofs. */
  generateSrs(file: string, logrows: number, options?: OperationOptions): Promise<void>;
  /** Proves, and verifies what it proved. @throws ProofError `prover_*`, `circuit_*`, `cancelled` */
  prove(request: ProveRequest): Promise<ProveResult>;
  /** Verifies natively. */
  verify(circuit: StoredCircuit, parts: ProofParts, options?: OperationOptions): Promise<boolean>;
  /** Solidity of a contract that verifies proofs of this circuit. */
  onChainVerifier(circuit: StoredCircuit, options?: OperationOptions): Promise<string>;
  /** Ends the workers. */
  close(): Promise<void>;
}

export type { Circuit };
