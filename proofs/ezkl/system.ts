/** EZKL as a proof system: PyPI's library in Python workers. */
import { writeFile } from "node:fs/promises";
import { availableParallelism, totalmem } from "node:os";
import { join } from "node:path";
import { fromHex, toHex } from "../../codec/index.ts";
import type { CircuitTensor } from "../circuit.ts";
import { circuitElements } from "../commit.ts";
import { ProofError } from "../error.ts";
import { fromLittleEndian, toInteger } from "../field.ts";
import { circuitModel, outputNames } from "../onnx.ts";
import { CIRCUIT_FILES, type StoredCircuit } from "../store.ts";
import type {
  CircuitSettings,
  CompiledCircuit,
  ModelGraph,
  OperationOptions,
  ProofSystem,
  ProveRequest,
  ProveResult,
  ProveStage,
  RawProof,
  Rehearsal,
  VerifierForm,
  VerifierSource,
} from "../system.ts";
import { PROVE_STAGES } from "../system.ts";
import { checkProof, type ProofParts, type ProofVerifier } from "../verifier.ts";
import { ProverPool } from "./pool.ts";
import { readSettings } from "./settings.ts";

export interface EzklOptions {
  /** The interpreter that `findProofSystem` gives. */
  python: string;
  /** Proofs at once, a core each; one fewer than there are cores. */
  workers?: number | undefined;
  /** Resident memory of one worker; half of the machine's. */
  memoryBytes?: number | undefined;
  /** Where a call names none: ten minutes. */
  timeoutMs?: number | undefined;
  /** How much lower than the service's its provers' priority is: 0 to 19. */
  nice?: number | undefined;
  idleMs?: number | undefined;
}

const TIMEOUT_MS = 600_000;
const IDLE_MS = 120_000;
const NICE = 10;

export function createEzklSystem(options: EzklOptions): EzklSystem {
  return new EzklSystem(options);
}

export class EzklSystem implements ProofSystem {
  readonly name = "ezkl/21.0.0";
  readonly #pool: ProverPool;
  readonly #timeoutMs: number;

  constructor({
    python,
    workers,
    memoryBytes,
    timeoutMs = TIMEOUT_MS,
    nice = NICE,
    idleMs = IDLE_MS,
  }: EzklOptions) {
    this.#timeoutMs = timeoutMs;
    this.#pool = new ProverPool({
      python,
      nice,
      idleMs,
      workers: workers ?? Math.max(1, availableParallelism() - 1),
      memoryBytes: memoryBytes ?? Math.floor(totalmem() / 2),
    });
  }

  async compile(
    directory: string,
    { onnx, inputs, outputs }: ModelGraph,
    settings: CircuitSettings,
    options: OperationOptions = {},
  ): Promise<CompiledCircuit> {
    await writeFile(join(directory, CIRCUIT_FILES.onnx), circuitModel(onnx, inputs));
    const found = (await this.#run("compile", { directory, settings }, options).catch(unsupported)).result;
    const { settings: made } = found as { settings: unknown };
    return { ...readSettings(made), outputs: inGraphOrder(outputNames(onnx), outputs) };
  }

  async rehearse(
    directory: string,
    inputScale: number,
    samples: readonly (readonly number[])[],
    options: OperationOptions = {},
  ): Promise<Rehearsal> {
    const { result } = await this.#run("rehearse", { directory, inputScale, samples }, options);
    const list = (result as { samples: Rehearsed[] }).samples;
    const hash = list.find(({ parametersHash }) => parametersHash?.[0])?.parametersHash?.[0];
    return {
      outputs: list.map(({ outputs }) => outputs?.map(integerOf) ?? null),
      parametersHash: hash === undefined ? null : fromHex(hash, 32),
      lookups: [
        Math.min(0, ...list.map(({ lookups }) => lookups?.[0] ?? 0)),
        Math.max(0, ...list.map(({ lookups }) => lookups?.[1] ?? 0)),
      ],
    };
  }

  async mock(
    directory: string,
    inputScale: number,
    elements: readonly number[],
    options: OperationOptions = {},
  ): Promise<boolean> {
    const { result } = await this.#run("mock", { directory, inputScale, elements }, options);
    return (result as { holds: boolean }).holds;
  }

  async setup(directory: string, options: OperationOptions = {}): Promise<void> {
    await this.#run("setup", { directory }, options);
  }

  async generateSrs(file: string, logrows: number, options: OperationOptions = {}): Promise<void> {
    await this.#run("srs", { file, logrows }, options);
  }

  async recompile(directory: string, options: OperationOptions = {}): Promise<void> {
    await this.#run("recompile", { directory }, options);
  }

  async proveIn(
    directory: string,
    inputScale: number,
    elements: readonly number[],
    options: OperationOptions & Pick<ProveRequest, "onProgress"> = {},
  ): Promise<RawProof> {
    const { onProgress } = options;
    onProgress?.("queued");
    const onStage = (stage: string) => {
      if (isStage(stage)) onProgress?.(stage);
    };
    const answer = await this.#run("prove", { directory, elements, inputScale }, { ...options, onStage });
    const { proof, instances } = answer.result as { proof: string; instances: string[] };
    return {
      proof: fromHex(proof),
      instances: instances.map((instance) => fromHex(instance, 32)),
      stagesMs: answer.stagesMs,
      peakMemoryBytes: answer.peakMemoryBytes,
    };
  }

  async prove(request: ProveRequest): Promise<ProveResult> {
    const { circuit: stored, inputs, sCircuit, onProgress, signal, timeoutMs } = request;
    const { circuit, directory, settings, verifyingKey, srs } = stored;
    const elements = circuitElements(circuit, inputs, sCircuit);
    const made = await this.proveIn(directory, circuit.inputScale, elements, {
      onProgress,
      signal,
      timeoutMs,
    });
    const parts = { settings, verifyingKey, srs, ...made };
    // The worker verified it by the files that it has; these are the digests that a reader compares.
    checkProof(circuit, parts, VERIFIED_BY_THE_WORKER);
    return parts;
  }

  async verify(stored: StoredCircuit, parts: ProofParts, options: OperationOptions = {}): Promise<boolean> {
    const request = {
      directory: stored.directory,
      proof: toHex(parts.proof),
      instances: parts.instances.map(toHex),
    };
    const { result } = await this.#run("verify", request, options);
    return (result as { holds: boolean }).holds;
  }

  async onChainVerifier(
    { directory }: StoredCircuit,
    form: VerifierForm,
    options: OperationOptions = {},
  ): Promise<VerifierSource> {
    const { result } = await this.#run("evm", { directory, reusable: form === "reusable" }, options);
    return { form, ...(result as Omit<VerifierSource, "form">) };
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  #run(
    operation: string,
    request: Record<string, unknown>,
    {
      signal,
      timeoutMs = this.#timeoutMs,
      onStage,
    }: OperationOptions & { onStage?: (stage: string) => void },
  ) {
    return this.#pool.run({ operation, request, timeoutMs, signal, onStage });
  }
}

/** Nothing but the reason where the circuit cannot take a sample. */
interface Rehearsed {
  outputs?: string[];
  parametersHash?: string[];
  lookups?: [number, number];
}

function isStage(stage: string): stage is ProveStage {
  return (PROVE_STAGES as readonly string[]).includes(stage);
}

function integerOf(littleEndianHex: string): bigint {
  return toInteger(fromLittleEndian(fromHex(littleEndianHex, 32)));
}

/** @throws ProofError `circuit_unsupported` */
function inGraphOrder(names: readonly string[], outputs: readonly CircuitTensor[]): CircuitTensor[] {
  const ordered = names.map((name) => outputs.find((output) => output.name === name));
  if (ordered.includes(undefined) || names.length !== outputs.length)
    throw new ProofError("circuit_unsupported", "the graph's outputs are not the manifest's");
  return ordered as CircuitTensor[];
}

/** The worker ran the verifier itself; what is left to check here is everything else. */
const VERIFIED_BY_THE_WORKER: ProofVerifier = { system: "ezkl/21.0.0", verify: () => true };

/** What EZKL refuses to compile is a model that it does not do. */
function unsupported(error: unknown): never {
  if (!(error instanceof ProofError) || error.code !== "prover_failed") throw error;
  throw new ProofError("circuit_unsupported", error.message, { cause: error });
}
