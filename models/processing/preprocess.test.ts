import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { utf8 } from "../../codec/index.ts";
import type { Tensor } from "../../receipts/index.ts";
import { countCalls, preprocess } from "./preprocess.ts";
import { parseRaw } from "./raw.ts";
import type { Raw } from "./raw.ts";
import { processingSchema } from "./schema.ts";
import type { Pre, Processing } from "./schema.ts";

const value = (shape: number[]): Pre["tensors"] => [{ from: "value", name: "x", datatype: "FP32", shape }];
const processing = (raw: Pre["raw"], steps: Pre["steps"], tensors: Pre["tensors"]): Processing =>
  processingSchema.parse({ pre: { raw, steps, tensors }, post: null });
const floats = ({ data }: Tensor) => [...new Float32Array(data.slice().buffer)];
const code = (wanted: string) => expect.objectContaining({ name: "ProcessingError", code: wanted });

const twoFeatures = processing(
  { kind: "features", names: ["width", "height"] },
  [{ op: "standardise", mean: [1, 10], scale: [2, 5] }],
  value([1, 2]),
);

const read = (text: string) => preprocess(twoFeatures, parseRaw(twoFeatures, utf8(text)));

describe("features", () => {
  it("are taken by name or in order, and standardised", () => {
    expect(read('{"height": 20, "width": 3}').map(floats)).toEqual([[1, 2]]);
    expect(read("[3, 20]")).toEqual(read('{"height": 20, "width": 3}'));
    expect(read("[3, 20]")[0]).toMatchObject({ name: "x", datatype: "FP32", shape: [1, 2] });
  });

  it.each([
    ["raw_invalid", "{"],
    ["raw_invalid", "3"],
    ["raw_invalid", "null"],
    ["feature_missing", '{"width": 3}'],
    ["feature_missing", "[3]"],
    ["feature_missing", '{"width": 3, "__proto__": 4}'],
    ["feature_unknown", '{"width": 3, "height": 20, "depth": 1}'],
    ["feature_unknown", "[3, 20, 1]"],
    ["feature_invalid", '{"width": "3", "height": 20}'],
    ["feature_invalid", "[3, null]"],
    ["feature_invalid", "[3, 1e999]"],
    ["raw_too_large", `[3, 20${" ".repeat(1 << 20)}]`],
    ["value_out_of_range", "[3, 1e300]"],
  ])("are refused with %s: %.40s", (wanted, text) => {
    expect(() => read(text)).toThrow(code(wanted));
  });

  it("are standardised to what single precision says of (x - mean) / scale", () => {
    const number = fc.double({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(number, number, (width, height) => {
        const [tensor] = preprocess(twoFeatures, { kind: "features", values: [width, height] });
        expect(floats(tensor!)).toEqual([Math.fround((width - 1) / 2), Math.fround((height - 10) / 5)]);
      }),
    );
  });
});

const plain = (width: number, height: number): Raw => ({
  kind: "image",
  width,
  height,
  channels: 3,
  maximum: 255,
  samples: Uint8Array.from({ length: width * height * 3 }, (_, index) => [255, 0, 51][index % 3]!),
});

describe("images", () => {
  const line = processing(
    { kind: "image", channels: 3 },
    [
      { op: "resizeToHeight", height: 2, minWidth: 4, maxWidth: 6 },
      { op: "reorderChannels", order: [2, 1, 0] },
      { op: "standardise", mean: [0.5, 0.5, 0.5], scale: [0.5, 0.5, 0.5] },
      { op: "padWidth", minWidth: 4, value: 0 },
      { op: "channelsFirst" },
    ],
    value([1, 3, 2, -1]),
  );

  it("are scaled, reordered, normalised, padded and cut into planes", () => {
    const [tensor] = preprocess(line, plain(1, 1));
    expect(tensor?.shape).toEqual([1, 3, 2, 4]);
    const blue = Math.fround((0.2 - 0.5) / 0.5);
    const planes = [
      [blue, blue, 0, 0, blue, blue, 0, 0],
      [-1, -1, 0, 0, -1, -1, 0, 0],
      [1, 1, 0, 0, 1, 1, 0, 0],
    ];
    expect(floats(tensor!)).toEqual(planes.flat());
  });

  it.each([
    [5, 2, 5],
    [11, 4, 5],
    [5, 4, 4],
    [1, 40, 4],
  ])("of %d by %d get width %d", (width, height, wanted) => {
    expect(preprocess(line, plain(width, height))[0]?.shape).toEqual([1, 3, 2, wanted]);
  });

  it("that would be too wide are refused, not squeezed", () => {
    expect(() => preprocess(line, plain(7, 2))).toThrow(code("image_too_wide"));
  });
});

describe("audio", () => {
  const frames = processing(
    { kind: "audio", sampleRateHz: 16_000 },
    [{ op: "frame", samples: 4, context: 2 }],
    [
      ...value([1, 6]),
      { from: "constant", name: "state", datatype: "FP32", shape: [2], fill: 0, carry: "stateN" },
      { from: "constant", name: "sr", datatype: "INT64", shape: [], fill: 16_000 },
    ],
  );
  const audio: Raw = { kind: "audio", sampleRateHz: 16_000, samples: Float32Array.of(1, 2, 3, 4, 5, 6) };

  it("is cut into frames with the samples before them, the last filled up with zeros", () => {
    expect(countCalls(frames, audio)).toBe(2);
    expect(floats(preprocess(frames, audio)[0]!)).toEqual([0, 0, 1, 2, 3, 4]);
    expect(floats(preprocess(frames, audio, { frame: 1 })[0]!)).toEqual([3, 4, 5, 6, 0, 0]);
  });

  it("cuts every recording so that the frames joined give it back", () => {
    const recording = fc.float32Array({ minLength: 1, maxLength: 50, noNaN: true, noDefaultInfinity: true });
    fc.assert(
      fc.property(recording, (samples) => {
        const raw: Raw = { kind: "audio", sampleRateHz: 16_000, samples };
        const joined = Array.from({ length: countCalls(frames, raw) }, (_, frame) =>
          floats(preprocess(frames, raw, { frame })[0]!).slice(2),
        ).flat();
        expect(joined.length - samples.length).toBeLessThan(4);
        expect(joined.slice(0, samples.length)).toEqual([...samples]);
      }),
    );
  });

  it("carries state from the outputs of the call before", () => {
    const stateN: Tensor = { name: "stateN", datatype: "FP32", shape: [2], data: new Uint8Array(8).fill(7) };
    expect(preprocess(frames, audio, { previous: [stateN] })[1]).toEqual({ ...stateN, name: "state" });
    for (const bad of [[], [{ ...stateN, shape: [1, 2] }], [{ ...stateN, datatype: "FP64" as const }]]) {
      expect(() => preprocess(frames, audio, { previous: bad })).toThrow(code("carry_invalid"));
    }
  });

  it("writes integers exactly, scalars without a shape", () => {
    expect(preprocess(frames, audio)[2]).toEqual({
      name: "sr",
      datatype: "INT64",
      shape: [],
      data: Uint8Array.of(0x80, 0x3e, 0, 0, 0, 0, 0, 0),
    });
  });

  it.each([-1, 2, 0.5, Number.NaN])("has no frame %d", (frame) => {
    expect(() => preprocess(frames, audio, { frame })).toThrow(code("frame_out_of_range"));
  });

  it("of another rate, another kind or no length is refused", () => {
    expect(() => preprocess(frames, { ...audio, sampleRateHz: 8000 })).toThrow(code("audio_rate_mismatch"));
    expect(() => preprocess(frames, { ...audio, samples: new Float32Array(0) })).toThrow(
      code("audio_invalid"),
    );
    expect(() => preprocess(frames, { kind: "features", values: [] })).toThrow(code("raw_kind_mismatch"));
  });
});

describe("a description that does not fit", () => {
  const features: Pre["raw"] = { kind: "features", names: ["a", "b"] };
  const raw: Raw = { kind: "features", values: [1, 2.5] };

  it.each([
    ["step_invalid", [{ op: "standardise", mean: [0], scale: [1] }], value([2])],
    ["step_invalid", [{ op: "channelsFirst" }], value([2])],
    ["step_invalid", [{ op: "resize", method: "area", height: 1, width: 1 }], value([2])],
    ["shape_mismatch", [], value([3])],
    ["shape_mismatch", [], value([1])],
    ["shape_mismatch", [], value([-1, 3])],
    ["value_out_of_range", [], [{ from: "value", name: "x", datatype: "INT32", shape: [2] }]],
  ] as [string, Pre["steps"], Pre["tensors"]][])("gives %s (case %#)", (wanted, steps, tensors) => {
    expect(() => preprocess(processing(features, steps, tensors), raw)).toThrow(code(wanted));
  });

  it("is named where there is none", () => {
    const none = { pre: null, post: null };
    expect(() => preprocess(none, raw)).toThrow(code("processing_absent"));
    expect(() => parseRaw(none, utf8("[]"))).toThrow(code("processing_absent"));
  });
});
