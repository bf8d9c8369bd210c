import { describe, expect, it } from "vitest";
import { processingSchema } from "./schema.ts";

const good = {
  pre: {
    raw: { kind: "features", names: ["a", "b"] },
    steps: [{ op: "standardise", mean: [0, 0], scale: [1, 1] }],
    tensors: [{ from: "value", name: "x", datatype: "FP32", shape: [1, 2] }],
  },
  post: { output: "y", steps: [{ op: "sigmoid" }], result: { as: "argmax", labels: ["no", "yes"] } },
};

const path = {
  as: "ctcPath",
  index: "i",
  probability: "p",
  blank: 0,
  dictionary: { sha256: "00".repeat(32), bytes: 1, package: "letters", version: "1", file: "letters.txt" },
  appendSpace: true,
};

describe("processingSchema", () => {
  it("takes a description, and none", () => {
    expect(processingSchema.parse(good)).toEqual(good);
    expect(processingSchema.parse({ pre: null, post: { result: path } })).toEqual({
      pre: null,
      post: { result: path },
    });
    expect(processingSchema.parse({ pre: null, post: null })).toEqual({ pre: null, post: null });
  });

  it.each([
    { ...good, extra: 1 },
    { pre: good.pre },
    { ...good, pre: { ...good.pre, raw: { kind: "features", names: ["a", "a"] } } },
    { ...good, pre: { ...good.pre, raw: { kind: "features", names: ["a\u001b"] } } },
    { ...good, pre: { ...good.pre, steps: [{ op: "eval", code: "1" }] } },
    { ...good, pre: { ...good.pre, steps: [{ op: "standardise", mean: [0], scale: [0] }] } },
    { ...good, pre: { ...good.pre, steps: [{ op: "standardise", mean: [0, 1], scale: [1] }] } },
    { ...good, pre: { ...good.pre, steps: [{ op: "standardise", mean: [Infinity], scale: [1] }] } },
    { ...good, pre: { ...good.pre, steps: Array.from({ length: 17 }, () => ({ op: "channelsFirst" })) } },
    { ...good, pre: { ...good.pre, steps: [{ op: "resize", method: "area", height: 65_537, width: 1 }] } },
    { ...good, pre: { ...good.pre, steps: [{ op: "reorderChannels", order: [0, 0] }] } },
    { ...good, pre: { ...good.pre, steps: [{ op: "resizeToHeight", height: 1, minWidth: 2, maxWidth: 1 }] } },
    { ...good, pre: { ...good.pre, tensors: [] } },
    { ...good, pre: { ...good.pre, tensors: [good.pre.tensors[0], good.pre.tensors[0]] } },
    { ...good, pre: { ...good.pre, tensors: [{ ...good.pre.tensors[0], shape: [-1, -1] }] } },
    { ...good, post: { ...good.post, result: { as: "argmax", labels: ["one"] } } },
    { ...good, post: { ...good.post, result: path } },
    { ...good, post: { result: good.post.result } },
    { ...good, post: { output: "y", result: path } },
    { ...good, post: { result: { ...path, as: "ctcGreedy" } } },
    { ...good, post: { result: { ...path, blank: 1 } } },
    { ...good, post: { result: { ...path, probability: undefined } } },
    { ...good, post: { result: { ...path, dictionary: { ...path.dictionary, file: "../up" } } } },
    { ...good, post: { ...good.post, steps: Array.from({ length: 5 }, () => ({ op: "sigmoid" })) } },
  ])("refuses case %#", (bad) => {
    expect(processingSchema.safeParse(bad).success).toBe(false);
  });
});
