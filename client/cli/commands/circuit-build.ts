/** `affidavit circuit build MODEL`: a model's circuit, searched for, with its keys. */
import { toHex0x } from "../../../codec/index.ts";
import { buildCircuit, cacheDirectory, type BuiltCircuit } from "../../../proofs/index.ts";
import {
  CIRCUITS_HELP,
  circuitsDirectory,
  findModel,
  graphOf,
  inputRangeOf,
  openProofSystem,
  readSamples,
  refusing,
} from "../circuits.ts";
import { flags, onlyPositional, printJson, RefusedError, UsageError, type Command } from "../command.ts";
import { paint } from "../output.ts";

const DEFAULT_BOUND = 0.02;
const DEFAULT_TIMEOUT_S = 1800;

const HELP = `
affidavit circuit build MODEL [flags]

Makes a circuit that proves MODEL's answers (docs/proofs.md): searches scale and decomposition for the fewest rows that keep
its output within --bound of the floats, makes its keys and one trial proof. MODEL is a model's folder or manifest, or the
name of one of the zoo or of the models folder. Bind it afterwards: affidavit circuit bind.

  --bound REAL       the largest difference of circuit and float output that its owner answers for (${DEFAULT_BOUND}); the samples
                     must keep to half of it
  --samples FILE     JSON list of inference requests to measure by, besides the model's example.json; each counts eight
                     times, seven of them with every element changed by up to a half
  --input-range REAL the largest absolute input that the circuit takes (four times the largest sample, up to a power of two)
  --parameters MODE  fixed (the verifying key is the model; weights can leak over many proofs) or hashed (they cannot, and
                     the circuit is many times larger). Private parameters would bind no model, and are refused
  --srs FILE         an SRS of a ceremony, as halo2 writes it. Without it a development SRS is made: whoever made it can
                     forge proofs, and verifiers refuse them unless told otherwise
  --timeout SECONDS  longest single step (${DEFAULT_TIMEOUT_S})${CIRCUITS_HELP}
  --json             one line for machines
`;

export const circuitBuild: Command = { summary: "makes a model's circuit and its keys", help: HELP, run };

function positive(text: string | undefined, fallback: number, flag: string): number {
  const value = text === undefined ? fallback : Number(text);
  if (!Number.isFinite(value) || value <= 0 || value > 1e9)
    throw new UsageError(`${flag} takes a number above 0`);
  return value;
}

function parametersOf(mode: string | undefined): "fixed" | "hashed" {
  if (mode === undefined || mode === "fixed" || mode === "hashed") return mode ?? "fixed";
  if (mode === "private")
    throw new RefusedError(
      "parameters_unbound",
      "private parameters bind no model: other weights would prove as well",
    );
  throw new UsageError("--parameters is fixed or hashed");
}

async function run(words: string[]): Promise<number> {
  const { values, positionals } = flags(words, {
    bound: { type: "string" },
    samples: { type: "string" },
    "input-range": { type: "string" },
    parameters: { type: "string" },
    srs: { type: "string" },
    timeout: { type: "string" },
    "data-dir": { type: "string" },
    json: { type: "boolean" },
  });
  const name = onlyPositional(positionals, "model");
  const parameters = parametersOf(values.parameters);
  const bound = BigInt(Math.floor(positive(values.bound, DEFAULT_BOUND, "--bound") * 1e9));
  const timeoutMs = 1000 * positive(values.timeout, DEFAULT_TIMEOUT_S, "--timeout");
  const found = await findModel(name, values["data-dir"]);
  const model = await graphOf(found.model);
  const system = openProofSystem(timeoutMs);
  try {
    const samples = await readSamples(found, values.samples);
    const inputRange = positive(values["input-range"], inputRangeOf(samples), "--input-range");
    const built = await refusing(() =>
      buildCircuit(system, {
        model,
        modelId: found.model.modelId,
        parameters,
        bound,
        inputRange,
        samples,
        srsFile: values.srs,
        cache: cacheDirectory(process.env),
        directory: circuitsDirectory(values["data-dir"], process.env),
        timeoutMs,
        onProgress: (what) => process.stderr.write(`circuit build: ${what}\n`),
      }),
    );
    if (values.json) printJson(asJson(built));
    else process.stdout.write(asText(built));
    return 0;
  } finally {
    await system.close();
  }
}

function asJson({ stored, difference, proveMs, peakMemoryBytes }: BuiltCircuit): object {
  const { circuitId, modelId, srs, rows, logrows, inputScale, proofBytes } = stored.circuit;
  return {
    ok: true,
    code: "ok",
    circuitId: toHex0x(circuitId),
    modelId: toHex0x(modelId),
    directory: stored.directory,
    srs,
    rows,
    logrows,
    scale: inputScale,
    proofBytes,
    difference: Number(difference) / 1e9,
    proveMs: Math.round(proveMs),
    peakMemoryBytes,
  };
}

function asText({ stored, difference, proveMs, peakMemoryBytes }: BuiltCircuit): string {
  const { circuitId, srs, rows, logrows, inputScale, proofBytes, bound } = stored.circuit;
  const lines = [
    `${paint("green", "✓ built")}  ${toHex0x(circuitId)}`,
    `  ${rows} of 2^${logrows} rows at scale ${inputScale}; the samples differ by at most ${Number(difference) / 1e9}, of ${Number(bound) / 1e9} allowed`,
    `  a proof took ${(proveMs / 1000).toFixed(1)} s and ${Math.round(peakMemoryBytes / 2 ** 20)} MiB, and has ${proofBytes} bytes`,
    `  in ${stored.directory}`,
  ];
  if (srs === "development")
    lines.push(paint("yellow", "  DEVELOPMENT SRS: whoever made it can forge proofs"));
  lines.push("  next: affidavit circuit bind", "");
  return lines.join("\n");
}
