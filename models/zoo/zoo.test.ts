import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { fromUtf8, sha256, toHex } from "../../codec/index.ts";
import { encodeOutput } from "../../receipts/index.ts";
import type { Tensor } from "../../receipts/index.ts";
import { checkInputs } from "../check.ts";
import { EnginePool } from "../engines/pool.ts";
import { manifestText, modelId } from "../manifest.ts";
import type { Manifest } from "../manifest.ts";
import { parseInferRequest } from "../oip/index.ts";
import { formatDisplay, parseRaw, postprocess, preprocess } from "../processing/index.ts";
import { readAssets } from "./package-files.ts";
import {
  createSession,
  floats,
  NAMES,
  numbers,
  readExpected,
  readManifest,
  readWeights,
  run,
  ZOO,
} from "./testing.ts";
import type { ExpectedOutput, Name } from "./testing.ts";

describe.each(NAMES)("%s", (name) => {
  it("has the weights that its manifest names", async () => {
    const manifest = await readManifest(name);
    const weights = await readWeights(manifest);
    expect(manifest.name).toBe(name);
    expect(weights.length).toBe(manifest.weights.bytes);
    expect(toHex(sha256(weights))).toBe(manifest.weights.sha256);
  });

  it("has a graph whose tensors are the manifest's", async () => {
    const manifest = await readManifest(name);
    const session = await createSession(await readWeights(manifest));
    expect(session.inputNames).toEqual(manifest.inputs.map((tensor) => tensor.name));
    const reduce = manifest.reduce ?? [];
    const outputs = session.outputNames.flatMap((output) => {
      const reduction = reduce.find((one) => one.output === output);
      return reduction ? [reduction.index, reduction.value] : [output];
    });
    expect(outputs).toEqual(manifest.outputs.map((tensor) => tensor.name));
  });

  it("gives what expected.json says for example.json", async () => {
    const manifest = await readManifest(name);
    const expected = await readExpected(name);
    const inputs = await readExample(name);
    checkInputs(manifest, inputs);
    const outputs = await run(manifest, await createSession(await readWeights(manifest)), inputs);
    expect(outputs.map((output) => output.name)).toEqual(expected.outputs.map((output) => output.name));
    expected.outputs.forEach((wanted, index) => compare(outputs[index]!, wanted));

    const { probability, ...reading } = postprocess(
      manifest.processing,
      outputs,
      await readAssets(manifest.processing),
    );
    const { probability: wanted, ...wantedReading } = expected.display;
    expect(reading).toEqual(wantedReading);
    expect(Math.abs(probability - wanted)).toBeLessThanOrEqual(expected.displayTolerance);
  });

  it("makes example.json from its raw example", async () => {
    const manifest = await readManifest(name);
    const { raw: file, frame = 0 } = await readExpected(name);
    const raw = parseRaw(manifest.processing, await readFile(join(ZOO, name, file)));
    const example = await readExample(name);
    const previous = carriedOutputs(manifest, example);
    expect(preprocess(manifest.processing, raw, { frame, ...(previous && { previous }) })).toEqual(example);
  });

  it("names npm's own digest of the package it comes from", async () => {
    const { source } = await readManifest(name);
    if (!("package" in source)) return;
    const lock = JSON.parse(await readFile(join(ZOO, "../../package-lock.json"), "utf8")) as Lock;
    const locked = lock.packages[`node_modules/${source.package}`];
    expect(locked).toMatchObject({ version: source.version, integrity: source.digest });
  });
});

describe("trained models", () => {
  it.each(["breast-cancer", "digits"] as const)("%s names the script that made it", async (name) => {
    const { source } = await readManifest(name);
    const script = "script" in source ? source.script : "";
    const text = await readFile(join(ZOO, "../..", script));
    expect(source.digest).toBe(`sha256:${toHex(sha256(text))}`);
  });
});

describe("vad", () => {
  it("hears the sentence, and the silence after it, frame by frame", async () => {
    const manifest = await readManifest("vad");
    const { frame: exampleFrame = 0 } = await readExpected("vad");
    const example = await readExample("vad");
    const session = await createSession(await readWeights(manifest));
    const raw = parseRaw(manifest.processing, await readFile(join(ZOO, "vad/example.wav")));
    const labels: string[] = [];
    let previous: Tensor[] | undefined;
    for (let frame = 0; frame < 51; frame++) {
      const inputs = preprocess(manifest.processing, raw, { frame, ...(previous && { previous }) });
      if (frame === exampleFrame) expectClose(floats(inputs[1]!), floats(example[1]!), 1e-3);
      previous = await run(manifest, session, inputs);
      const display = postprocess(manifest.processing, previous);
      labels.push(display.kind === "label" ? display.label : "");
    }
    expect(labels.slice(4, 38)).toEqual(Array(34).fill("speech"));
    expect(labels.slice(-6)).toEqual(Array(6).fill("no speech"));
  });
});

describe("ocr", () => {
  it("reads the line that was rendered", async () => {
    const { display } = await readExpected("ocr");
    expect(formatDisplay(display)).toMatch(/^"Every answer carries a receipt that anyone can check\." /);
  });

  it("is read through the engine, whose answer is small and encodes to fixed point", async () => {
    const manifest = await readManifest("ocr");
    const { display, outputs: wanted } = await readExpected("ocr");
    const [weights, text] = [await readWeights(manifest), manifestText(manifest)];
    const model = { manifest, manifestText: text, modelId: modelId(text), weights: async () => weights };
    const engine = new EnginePool();
    try {
      expect(await engine.preload([model])).toEqual([]);
      const { outputs } = await engine.run(model, await readExample("ocr"), { timeoutMs: 30_000 });
      expect(outputs).toHaveLength(wanted.length);
      wanted.forEach((one, index) => compare(outputs[index]!, one));
      expect(outputs.map(({ data }) => data.length)).toEqual([89 * 4, 89 * 4]);
      expect(encodeOutput(manifest.outputKind, outputs)).toHaveLength(32 * (2 + 2 * 89));
      const read = postprocess(manifest.processing, outputs, await readAssets(manifest.processing));
      expect(read).toMatchObject({ kind: "text", text: display.kind === "text" && display.text });
    } finally {
      await engine.close();
    }
  });
});

interface Lock {
  packages: Record<string, { version: string; integrity: string }>;
}

async function readExample(name: Name): Promise<Tensor[]> {
  return parseInferRequest(await readFile(join(ZOO, name, "example.json"))).inputs;
}

/** The example's own state, as the output of the call before that carried it. */
function carriedOutputs({ processing }: Manifest, example: Tensor[]): Tensor[] | undefined {
  const carried = processing.pre?.tensors.flatMap((spec) =>
    spec.from === "constant" && spec.carry !== undefined
      ? [{ ...example.find(({ name }) => name === spec.name)!, name: spec.carry }]
      : [],
  );
  return carried?.length ? carried : undefined;
}

function compare(output: Tensor, wanted: ExpectedOutput): void {
  expect(output).toMatchObject({ name: wanted.name, datatype: wanted.datatype, shape: wanted.shape });
  expect(wanted.data.length).toBeGreaterThan(0);
  expectClose(numbers(output), wanted.data, wanted.tolerance);
}

function expectClose(found: ArrayLike<number>, wanted: ArrayLike<number>, tolerance: number): void {
  expect(found.length).toBe(wanted.length);
  const largest = Array.from(found, (value, index) => Math.abs(value - wanted[index]!)).reduce(
    (a, b) => Math.max(a, b),
    0,
  );
  expect(largest).toBeLessThanOrEqual(tolerance);
}

it("is text that ends in a line feed", async () => {
  for (const name of NAMES) {
    for (const file of ["manifest.json", "example.json", "expected.json"]) {
      expect(fromUtf8(await readFile(join(ZOO, name, file))).endsWith("}\n")).toBe(true);
    }
  }
});
