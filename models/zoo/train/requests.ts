/**
 * Writes `example.json` and `expected.json` of the models that come from packages, from their raw examples:
 *
 *     npx node models/zoo/train/requests.ts
 *
 * The trained models' files come from `train.py`, which computes them without this code.
 */
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Tensor } from "../../../receipts/index.ts";
import { parseRaw, postprocess, preprocess } from "../../processing/index.ts";
import { readAssets } from "../package-files.ts";
import { createSession, floats, readManifest, readWeights, run, ZOO } from "../testing.ts";
import type { Expected, ExpectedOutput, Name } from "../testing.ts";

/** The example is a frame in the middle of a vowel, with the state that the frames before it left. */
const SPEECH_FRAME = 12;
const SAMPLE_STEPS = 24;

await writeExample("vad", "example.wav", SPEECH_FRAME, (output) => ({ data: shortest(floats(output)) }));
await writeExample("ocr", "example.pgm", undefined, (output) => ({ samples: sampleBest(output) }));

async function writeExample(
  name: Name,
  raw: string,
  frame: number | undefined,
  describe: (output: Tensor) => Pick<ExpectedOutput, "data" | "samples">,
): Promise<void> {
  const manifest = await readManifest(name);
  const session = await createSession(await readWeights(manifest));
  const parsed = parseRaw(manifest.processing, await readFile(join(ZOO, name, raw)));
  let previous: Tensor[] | undefined;
  for (let k = 0; k < (frame ?? 0); k++) {
    previous = await run(
      session,
      preprocess(manifest.processing, parsed, { frame: k, ...(previous && { previous }) }),
    );
  }
  const options = { ...(frame !== undefined && { frame }), ...(previous && { previous }) };
  const inputs = preprocess(manifest.processing, parsed, options);
  const outputs = await run(session, inputs);
  const expected: Expected = {
    raw,
    ...(frame !== undefined && { frame }),
    outputs: outputs.map((output) => ({
      name: output.name,
      datatype: "FP32",
      shape: output.shape,
      ...describe(output),
      tolerance: 1e-3,
    })),
    display: postprocess(manifest.processing, outputs, await readAssets(manifest.processing)),
    displayTolerance: 1e-3,
  };
  await writeJson(name, "example.json", { inputs: inputs.map(jsonTensor) });
  await writeJson(name, "expected.json", expected);
}

function jsonTensor(tensor: Tensor): object {
  const { name, datatype, shape } = tensor;
  const data = datatype === "INT64" ? integers(tensor) : shortest(floats(tensor));
  return { name, datatype, shape, data };
}

function integers({ data }: Tensor): number[] {
  return Array.from(new BigInt64Array(data.slice().buffer), Number);
}

/** The best class of each of the first steps, by flat index. */
function sampleBest(output: Tensor): [number, number][] {
  const values = floats(output);
  const classes = output.shape.at(-1)!;
  return Array.from({ length: SAMPLE_STEPS }, (_, step) => {
    const row = values.subarray(step * classes, (step + 1) * classes);
    const best = row.indexOf(row.reduce((a, b) => Math.max(a, b)));
    return [step * classes + best, shortest(row.subarray(best, best + 1))[0]!];
  });
}

/** Each number by the fewest digits that read back as the same single-precision value. */
function shortest(values: Float32Array): number[] {
  return Array.from(values, (value) => {
    for (let digits = 1; digits < 9; digits++) {
      const short = Number(value.toPrecision(digits));
      if (Math.fround(short) === value) return short;
    }
    return Number(value.toPrecision(9));
  });
}

async function writeJson(name: Name, file: string, value: unknown): Promise<void> {
  await writeFile(join(ZOO, name, file), `${JSON.stringify(value)}\n`);
}
