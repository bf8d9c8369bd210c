/**
 * Makes a model's circuit: searches scale and decomposition for the fewest rows that keep the circuit's output within the
 * bound, then makes keys and one trial proof (docs/proofs.md).
 */
import { link, mkdir, mkdtemp, readFile, rm, copyFile } from "node:fs/promises";
import { join } from "node:path";
import { sha256 } from "../codec/index.ts";
import { byName, circuitId, type Circuit, type SrsKind } from "./circuit.ts";
import { CIRCUIT_SALT_ELEMENTS, circuitElements } from "./commit.ts";
import { ProofError } from "./error.ts";
import { findSettings, type Found, type SearchRequest } from "./search.ts";
import { CIRCUIT_FILES, loadCircuit, readVerifyingSrs, storeCircuit, type StoredCircuit } from "./store.ts";
import type { OperationOptions, ProofSystem, RawProof } from "./system.ts";
import { checkProof } from "./verifier.ts";
import { loadProofVerifier } from "#ezkl";

export interface BuildRequest extends SearchRequest {
  /** 32 bytes. */
  modelId: Uint8Array;
  /** A whole SRS as halo2 writes it, with rows enough; undefined: a development SRS, kept in `cache`. */
  srsFile?: string | undefined;
  /** Where the user's cache is. */
  cache: string;
  /** Where circuits are kept. */
  directory: string;
}

export interface BuiltCircuit {
  stored: StoredCircuit;
  /** Largest difference over the samples, in units of 10^-9. */
  difference: bigint;
  proveMs: number;
  peakMemoryBytes: number;
}

/**
 * @throws ProofError `circuit_unsupported`, `circuit_bound_unreachable`, `circuit_input_out_of_range` (a sample), `circuit_invalid`
 *   (the SRS), `prover_*`, `cancelled`
 */
export async function buildCircuit(system: ProofSystem, request: BuildRequest): Promise<BuiltCircuit> {
  await mkdir(request.directory, { recursive: true });
  const folder = await mkdtemp(join(request.directory, ".making-"));
  try {
    return await buildIn(folder, system, request);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function buildIn(folder: string, system: ProofSystem, request: BuildRequest): Promise<BuiltCircuit> {
  const { onProgress = () => {} } = request;
  const found = await findSettings(folder, system, request);
  onProgress(
    `2^${found.compiled.logrows} rows, of which ${found.compiled.rows} used; scale ${found.settings.scale}`,
  );
  await placeSrs(join(folder, CIRCUIT_FILES.srs), found.compiled.logrows, system, request);
  onProgress("making the keys");
  await system.setup(folder, request);
  onProgress("making a trial proof");
  const draft = draftOf(request, found);
  const [sample] = request.samples;
  const salt = new Uint8Array(2 * CIRCUIT_SALT_ELEMENTS).fill(0xff);
  const elements = circuitElements(draft, sample!.inputs, salt);
  const trial = await system.proveIn(folder, draft.inputScale, elements, request);
  const circuit = await recordOf(folder, { ...draft, proofBytes: trial.proof.length });
  await mustHoldElsewhere(folder, circuit, trial);
  const place = await storeCircuit(folder, request.directory, circuit);
  const stored = await loadCircuit(place);
  const { difference } = found;
  return { stored, difference, proveMs: trial.stagesMs.prove ?? 0, peakMemoryBytes: trial.peakMemoryBytes };
}

/** Whoever gets a proof verifies it by another program than the one that made it; some circuits, only the maker's can. */
async function mustHoldElsewhere(folder: string, circuit: Circuit, trial: RawProof): Promise<void> {
  const parts = {
    settings: await readFile(join(folder, CIRCUIT_FILES.settings), "utf8"),
    verifyingKey: new Uint8Array(await readFile(join(folder, CIRCUIT_FILES.vk))),
    srs: await readVerifyingSrs(join(folder, CIRCUIT_FILES.srs)),
    ...trial,
  };
  try {
    checkProof(circuit, parts, await loadProofVerifier());
  } catch (cause) {
    if (!(cause instanceof ProofError) || cause.code !== "proof_invalid") throw cause;
    throw new ProofError("circuit_unsupported", "the WebAssembly verifier refuses this circuit's proofs", {
      cause,
    });
  }
}

const UNKNOWN = new Uint8Array(32);

function draftOf(
  { model, modelId, parameters, bound, inputRange, srsFile }: BuildRequest,
  found: Found,
): Circuit {
  const { outputs, inputScale, outputScale, rows, logrows } = found.compiled;
  const srs: SrsKind = srsFile === undefined ? "development" : "ceremony";
  return {
    system: "ezkl/21.0.0",
    modelId,
    circuitId: UNKNOWN,
    onnxDigest: UNKNOWN,
    settingsDigest: UNKNOWN,
    vkDigest: UNKNOWN,
    srsDigest: UNKNOWN,
    srs,
    parameters,
    parametersHash: found.parametersHash,
    inputs: model.inputs.toSorted(byName),
    outputs,
    inputScale,
    outputScale,
    bound,
    inputRange: BigInt(Math.floor(inputRange * 2 ** inputScale)),
    logrows,
    rows,
    proofBytes: 0,
  };
}

async function recordOf(folder: string, draft: Circuit): Promise<Circuit> {
  const digest = async (name: string) => sha256(await readFile(join(folder, name)));
  const digests = {
    onnxDigest: await digest(CIRCUIT_FILES.onnx),
    settingsDigest: await digest(CIRCUIT_FILES.settings),
    vkDigest: await digest(CIRCUIT_FILES.vk),
    srsDigest: sha256(await readVerifyingSrs(join(folder, CIRCUIT_FILES.srs))),
  };
  return { ...draft, ...digests, circuitId: circuitId(digests) };
}

async function placeSrs(
  target: string,
  logrows: number,
  system: ProofSystem,
  { srsFile, cache, onProgress, ...options }: BuildRequest,
): Promise<void> {
  const source = srsFile ?? (await developmentSrs(cache, logrows, system, { ...options, onProgress }));
  await link(source, target).catch(() => copyFile(source, target));
}

/** One a size, kept: what is made with them has one digest and is comparable. */
async function developmentSrs(
  cache: string,
  logrows: number,
  system: ProofSystem,
  { onProgress, ...options }: OperationOptions & Pick<BuildRequest, "onProgress">,
): Promise<string> {
  const directory = join(cache, "srs-development");
  const file = join(directory, `k${logrows}.srs`);
  const there = await readVerifyingSrs(file).catch(() => undefined);
  if (there) return file;
  onProgress?.(`making a development SRS of 2^${logrows} points: whoever makes it can forge proofs`);
  await mkdir(directory, { recursive: true });
  const aside = await mkdtemp(join(directory, ".making-"));
  try {
    await system.generateSrs(join(aside, "srs"), logrows, options);
    await readVerifyingSrs(join(aside, "srs"));
    await link(join(aside, "srs"), file).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== "EEXIST") throw error;
    });
    return file;
  } catch (cause) {
    if (cause instanceof ProofError) throw cause;
    throw new ProofError("circuit_invalid", `no development SRS could be made in ${directory}`, { cause });
  } finally {
    await rm(aside, { recursive: true, force: true });
  }
}
