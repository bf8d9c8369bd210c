/** The search for a circuit's settings: the smallest scale that keeps to the bound, then the decomposition with the fewest rows. */
import type { Tensor } from "../receipts/index.ts";
import { byName, type Circuit, type ParameterMode } from "./circuit.ts";
import { CIRCUIT_SALT_ELEMENTS, circuitElements } from "./commit.ts";
import { ProofError } from "./error.ts";
import { outputDifference } from "./instances.ts";
import type {
  CircuitSettings,
  CompiledCircuit,
  ModelGraph,
  OperationOptions,
  ProofSystem,
} from "./system.ts";

export interface Found {
  settings: CircuitSettings;
  compiled: CompiledCircuit;
  /** Largest difference over the samples, in units of 10^-9. */
  difference: bigint;
  parametersHash: Uint8Array | null;
  lookups: readonly [number, number];
}

const SCALES = [5, 6, 7, 8, 9, 10, 11, 12, 13, 14];
const BASE_BITS = [5, 6, 7, 8, 9, 10, 11, 12, 13];
const MAX_LEGS = 8;
/** Wide enough for any scale here; only the rows would be many. */
const WIDE = { decompositionBase: 2 ** 15, decompositionLegs: 4 };
/** Samples are few: what they show must leave room for what they do not. */
const MARGIN = 2n;
const LOOKUP_MARGIN = 2;

/** An input and what the model makes of it in floats. */
export interface Sample {
  inputs: Tensor[];
  outputs: Tensor[];
}

export interface SearchRequest extends OperationOptions {
  model: ModelGraph;
  parameters: ParameterMode;
  /** Largest difference that the circuit's owner answers for, in units of 10^-9. */
  bound: bigint;
  /** Largest absolute input, a real number. */
  inputRange: number;
  samples: readonly Sample[];
  onProgress?: ((what: string) => void) | undefined;
}

/**
 * @param folder where the circuit is being made; holds the compiled circuit that was found
 * @throws ProofError `circuit_bound_unreachable`, `circuit_unsupported`, `circuit_input_out_of_range`, `prover_*`, `cancelled`
 */
export async function findSettings(
  folder: string,
  system: ProofSystem,
  request: SearchRequest,
): Promise<Found> {
  if (request.samples.length === 0)
    throw new ProofError(
      "circuit_bound_unreachable",
      "without samples nobody knows how far the circuit lies off",
    );
  const wide = await smallestScale(folder, system, request);
  request.onProgress?.(`scale ${wide.settings.scale} keeps to the bound; searching for the fewest rows`);
  for (const settings of await byRows(folder, system, request, wide)) {
    const found = await tryOut(folder, system, request, settings);
    if (found && found.difference * MARGIN <= request.bound)
      return await withRowsEnough(folder, system, request, found);
  }
  throw new ProofError("circuit_bound_unreachable", "no decomposition takes the samples within the bound");
}

async function smallestScale(folder: string, system: ProofSystem, request: SearchRequest): Promise<Found> {
  let nearest: bigint | undefined;
  for (const scale of SCALES) {
    const settings = { parameters: request.parameters, scale, ...WIDE };
    const found = await tryOut(folder, system, request, settings);
    if (!found) continue;
    request.onProgress?.(`scale ${scale}: the samples differ by at most ${Number(found.difference) / 1e9}`);
    if (found.difference * MARGIN <= request.bound) return found;
    nearest = nearest === undefined || found.difference < nearest ? found.difference : nearest;
  }
  const words =
    nearest === undefined
      ? "takes the samples"
      : `comes nearer than ${Number(nearest) / 1e9}, of which a bound wants twice`;
  throw new ProofError("circuit_bound_unreachable", `no scale ${words}`);
}

/** Decompositions from the fewest rows on: a table of one more bit doubles, a leg more lengthens every decomposition. */
async function byRows(
  folder: string,
  system: ProofSystem,
  request: SearchRequest,
  { settings: { scale }, lookups }: Found,
): Promise<CircuitSettings[]> {
  const lookupRange = [LOOKUP_MARGIN * lookups[0] - 1, LOOKUP_MARGIN * lookups[1] + 1] as const;
  const tried: { settings: CircuitSettings; compiled: CompiledCircuit }[] = [];
  for (const bits of BASE_BITS) {
    const fewest = Math.max(2, Math.ceil((2 * scale + 2) / bits));
    for (const legs of [fewest, fewest + 1, fewest + 2].filter((count) => count <= MAX_LEGS)) {
      const settings = {
        parameters: request.parameters,
        scale,
        decompositionBase: 2 ** bits,
        decompositionLegs: legs,
        lookupRange,
      };
      tried.push({ settings, compiled: await system.compile(folder, request.model, settings, request) });
    }
  }
  return tried
    .toSorted(
      (a, b) =>
        a.compiled.logrows - b.compiled.logrows ||
        a.settings.decompositionLegs - b.settings.decompositionLegs ||
        // Of equals the widest: it takes the largest values.
        b.settings.decompositionBase - a.settings.decompositionBase,
    )
    .map(({ settings }) => settings);
}

/** The largest salt: a circuit that takes it takes every other. */
const SALT = new Uint8Array(2 * CIRCUIT_SALT_ELEMENTS).fill(0xff);

function samplesFor({ model, inputRange, samples }: SearchRequest, inputScale: number): number[][] {
  const form = {
    inputs: model.inputs.toSorted(byName),
    inputScale,
    inputRange: BigInt(Math.floor(inputRange * 2 ** inputScale)),
  };
  return samples.map(({ inputs }) => circuitElements(form, inputs, SALT));
}

async function tryOut(
  folder: string,
  system: ProofSystem,
  request: SearchRequest,
  settings: CircuitSettings,
): Promise<Found | undefined> {
  const compiled = await system.compile(folder, request.model, settings, request);
  const inputs = samplesFor(request, compiled.inputScale);
  const { outputs, parametersHash, lookups } = await system.rehearse(
    folder,
    compiled.inputScale,
    inputs,
    request,
  );
  const difference = largestDifference(compiled, request.samples, outputs);
  return difference === null ? undefined : { settings, compiled, difference, parametersHash, lookups };
}

/** The estimate of the rows may be short by what only the layout knows. */
async function withRowsEnough(
  folder: string,
  system: ProofSystem,
  request: SearchRequest,
  found: Found,
): Promise<Found> {
  const [elements] = samplesFor(request, found.compiled.inputScale);
  for (const more of [0, 1, 2]) {
    const logrows = found.compiled.logrows + more;
    const settings = { ...found.settings, logrows };
    const compiled = await system.compile(folder, request.model, settings, request);
    const holds = await system
      .mock(folder, compiled.inputScale, elements!, request)
      .catch((error: unknown) => {
        if (error instanceof ProofError && error.code === "prover_failed") return false;
        throw error;
      });
    if (holds) return { ...found, settings, compiled };
  }
  throw new ProofError("circuit_unsupported", "the circuit's constraints do not hold for its own witness");
}

/** How far the circuit lies from the floats over all samples; null where it cannot take one. */
function largestDifference(
  circuit: Pick<Circuit, "outputs" | "outputScale">,
  samples: readonly Sample[],
  outputs: readonly (bigint[] | null)[],
): bigint | null {
  let largest = 0n;
  for (const [i, sample] of samples.entries()) {
    const proved = outputs[i];
    if (!proved) return null;
    const units = outputDifference(circuit, proved, sample.outputs);
    if (units > largest) largest = units;
  }
  return largest;
}
