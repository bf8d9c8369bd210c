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
import { createSession, floats, numbers, readManifest, readWeights, run, ZOO } from "../testing.ts";
import type { Expected, Name } from "../testing.ts";

/** The example is a frame in the middle of a vowel, with the state that the frames before it left. */
const SPEECH_FRAME = 12;

await writeExample("vad", "example.wav", SPEECH_FRAME);
await writeExample("ocr", "example.pgm", undefined);

async function writeExample(name: Name, raw: string, frame: number | undefined): Promise<void> {
  const manifest = await readManifest(name);
  const session = await createSession(await readWeights(manifest));
  const parsed = parseRaw(manifest.processing, await readFile(join(ZOO, name, raw)));
  let previous: Tensor[] | undefined;
  for (let k = 0; k < (frame ?? 0); k++) {
    previous = await run(
      manifest,
      session,
      preprocess(manifest.processing, parsed, { frame: k, ...(previous && { previous }) }),
    );
  }
  const options = { ...(frame !== undefined && { frame }), ...(previous && { previous }) };
  const inputs = preprocess(manifest.processing, parsed, options);
  const outputs = await run(manifest, session, inputs);
  const expected: Expected = {
    raw,
    ...(frame !== undefined && { frame }),
    outputs: outputs.map((output) => ({
      name: output.name,
      datatype: output.datatype === "INT32" ? "INT32" : "FP32",
      shape: output.shape,
      data: shortest(numbers(output)),
      // Which class is best is exact or wrong.
      tolerance: output.datatype === "INT32" ? 0 : 1e-3,
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

/** Each number by the fewest digits that read back as the same single-precision value; indices are far below 2^24. */
function shortest(values: Float32Array | Int32Array): number[] {
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
