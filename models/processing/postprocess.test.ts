import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sha256, toHex, utf8 } from "../../codec/index.ts";
import type { Tensor } from "../../receipts/index.ts";
import { formatDisplay, postprocess, requiredAssets } from "./postprocess.ts";
import { processingSchema } from "./schema.ts";
import type { PathPost, Processing, SinglePost } from "./schema.ts";

const processing = (steps: SinglePost["steps"], result: SinglePost["result"]): Processing =>
  processingSchema.parse({ pre: null, post: { output: "y", steps, result } });
const tensor = (shape: number[], ...values: number[]): Tensor => ({
  name: "y",
  datatype: "FP32",
  shape,
  data: new Uint8Array(Float32Array.from(values).buffer),
});
const code = (wanted: string) => expect.objectContaining({ name: "ProcessingError", code: wanted });

const threshold = processing([{ op: "sigmoid" }], {
  as: "threshold",
  of: "malignant",
  threshold: 0.5,
  below: "benign",
  atOrAbove: "malignant",
});
const labels = processing([{ op: "softmax" }], { as: "argmax", labels: ["cat", "dog", "fox"] });

describe("threshold", () => {
  it("names the side, and whose probability it shows", () => {
    expect(postprocess(threshold, [tensor([1, 1], 0)])).toEqual({
      kind: "label",
      label: "malignant",
      of: "malignant",
      probability: 0.5,
    });
    const benign = postprocess(threshold, [tensor([1, 1], -5)]);
    expect(formatDisplay(benign)).toBe("benign (probability of malignant: 0.7 %)");
  });

  it("agrees with the logit's sign", () => {
    fc.assert(
      fc.property(fc.float({ noNaN: true, noDefaultInfinity: true }), (logit) => {
        const display = postprocess(threshold, [tensor([1], logit)]);
        // a logit too small to move a double off one half counts as 0
        if (Math.abs(logit) > 1e-15)
          expect(display).toMatchObject({ label: logit > 0 ? "malignant" : "benign" });
        expect(display.probability).toBeGreaterThanOrEqual(0);
        expect(display.probability).toBeLessThanOrEqual(1);
      }),
    );
  });
});

describe("argmax", () => {
  it("names the largest, the first of equals", () => {
    expect(postprocess(labels, [tensor([1, 3], 1, 3, 2)])).toMatchObject({ label: "dog", of: "dog" });
    expect(postprocess(labels, [tensor([1, 3], 3, 3, 3)])).toMatchObject({
      label: "cat",
      probability: 1 / 3,
    });
  });

  it("survives logits that overflow an exponential", () => {
    expect(postprocess(labels, [tensor([1, 3], 1e30, -1e30, 0)])).toMatchObject({
      label: "cat",
      probability: 1,
    });
  });

  it("is not moved by a constant added to every logit", () => {
    const logit = fc.float({ min: -20, max: 20, noNaN: true });
    fc.assert(
      fc.property(fc.tuple(logit, logit, logit), fc.integer({ min: -8, max: 8 }), (values, constant) => {
        const plain = postprocess(labels, [tensor([3], ...values)]);
        const moved = postprocess(labels, [tensor([3], ...values.map((x) => x + constant))]);
        expect(moved.probability).toBeCloseTo(plain.probability, 4);
      }),
    );
  });
});

/** The outputs of one line, each step certain of its class. */
const line = (...classes: number[]): Tensor[] =>
  path(
    [1, classes.length],
    classes,
    classes.map(() => 0.75),
  );
const path = (shape: number[], classes: number[], probabilities: number[]): Tensor[] => [
  { name: "p", datatype: "FP32", shape, data: new Uint8Array(Float32Array.from(probabilities).buffer) },
  { name: "i", datatype: "INT32", shape, data: new Uint8Array(Int32Array.from(classes).buffer) },
];

const reading = (dictionaryOf: PathPost["result"]["dictionary"]): Processing => {
  const names = { index: "i", probability: "p" };
  const result = { as: "ctcPath", ...names, blank: 0, dictionary: dictionaryOf, appendSpace: true };
  return processingSchema.parse({ pre: null, post: { result } });
};

describe("ctcPath", () => {
  const dictionary = utf8("a\nb\n字");
  const asset = {
    sha256: toHex(sha256(dictionary)),
    bytes: dictionary.length,
    package: "letters",
    version: "1.0.0",
    file: "letters.txt",
  };
  const reader = reading(asset);
  const assets = new Map([[asset.sha256, dictionary]]);

  it("merges repeats, drops blanks, and reads the last class as a space", () => {
    expect(postprocess(reader, line(0, 1, 1, 0, 1, 2, 4, 3, 3, 0), assets)).toEqual({
      kind: "text",
      text: "aab 字",
      probability: 0.75,
    });
  });

  it("reads nothing from blanks alone", () => {
    expect(postprocess(reader, line(0, 0), assets)).toEqual({ kind: "text", text: "", probability: 0 });
  });

  it("reads back every text that is spelled out with blanks between", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 20 }), (classes) => {
        const text = classes.map((index) => ["", "a", "b", "字", " "][index]).join("");
        expect(
          postprocess(reader, line(...classes.flatMap((index) => [index, index, 0])), assets),
        ).toMatchObject({ text });
      }),
    );
  });

  it("names the file it needs, and takes no other", () => {
    expect(requiredAssets(reader)).toEqual([asset]);
    expect(requiredAssets(labels)).toEqual([]);
    expect(() => postprocess(reader, line(1))).toThrow(code("asset_missing"));
    const forged = new Map([[asset.sha256, utf8("b\na\n字")]]);
    expect(() => postprocess(reader, line(1), forged)).toThrow(code("asset_digest_mismatch"));
  });

  it("bounds what a dictionary and an output can make it write", () => {
    const long = utf8(`a\nb\n${"c".repeat(33)}`);
    const dictionaryOf = { ...asset, sha256: toHex(sha256(long)), bytes: long.length };
    const wordy = reading(dictionaryOf);
    const found = () => postprocess(wordy, line(1), new Map([[dictionaryOf.sha256, long]]));
    expect(found).toThrow(code("asset_invalid"));
    const endless = Array<number>(65_537).fill(0);
    const read = () => postprocess(reader, path([1, 65_537], endless, endless), assets);
    expect(read).toThrow(code("shape_mismatch"));
  });

  it("takes the mean of the kept steps' probabilities", () => {
    const outputs = path([4], [1, 1, 0, 2], [0.5, 0.125, 0.125, 1]);
    expect(postprocess(reader, outputs, assets)).toEqual({ kind: "text", text: "ab", probability: 0.75 });
  });

  it.each([[[2, 5]], [[10, 1]], [[1, 2, 5]], [[2, 1, 5]]])("takes one line, not shape %j", (shape) => {
    const outputs = path(shape, Array<number>(10).fill(1), Array<number>(10).fill(0.1));
    expect(() => postprocess(reader, outputs, assets)).toThrow(code("shape_mismatch"));
  });

  it.each<[string, Tensor[]]>([
    ["shape_mismatch", [line(1, 2)[0]!, line(1)[1]!]],
    ["shape_mismatch", [path([2], [1, 2], [1, 1])[0]!, line(1, 2)[1]!]],
    ["output_missing", [line(1)[0]!]],
    ["output_missing", [line(1)[1]!]],
    ["output_invalid", line(5)],
    ["output_invalid", line(-1)],
    ["output_invalid", [line(1)[0]!, { ...tensor([1, 1], 0.5), name: "i" }]],
    ["value_not_finite", path([1], [1], [Number.NaN])],
  ])("gives %s for outputs that do not fit (case %#)", (wanted, outputs) => {
    expect(() => postprocess(reader, outputs, assets)).toThrow(code(wanted));
  });
});

describe("an output that does not fit", () => {
  const good = tensor([1, 3], 1, 2, 3);

  it.each([
    ["output_missing", { ...good, name: "z" }],
    ["output_invalid", { ...good, datatype: "BYTES" as const }],
    ["output_invalid", { ...good, data: good.data.subarray(1) }],
    ["output_invalid", { ...good, shape: [1, 0] }],
    ["output_invalid", { ...good, shape: [1 << 24, 1 << 24] }],
    ["value_not_finite", tensor([1, 3], 1, Number.NaN, 3)],
    ["shape_mismatch", tensor([1, 2], 1, 2)],
    ["shape_mismatch", tensor([2, 3], 1, 2, 3, 4, 5, 6)],
  ])("gives %s (case %#)", (wanted, output) => {
    expect(() => postprocess(labels, [output])).toThrow(code(wanted));
  });

  it("is named where the model has no post-processing", () => {
    expect(() => postprocess({ pre: null, post: null }, [good])).toThrow(code("processing_absent"));
  });
});

describe("formatDisplay", () => {
  it("keeps to one line without control characters", () => {
    const shown = formatDisplay({ kind: "text", text: "a\u001b[31m\nb\u0000", probability: 0.5 });
    expect(shown).toBe('"a\u{fffd}[31m\u{fffd}b\u{fffd}" (mean character probability 50.0 %)');
  });
});
