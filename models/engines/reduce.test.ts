import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Tensor } from "../../receipts/index.ts";
import { floatTensor, readFloats } from "../testing/models.ts";
import { bestOfLast } from "./reduce.ts";

const reduction = { output: "y", op: "bestOfLast", index: "i", value: "v" } as const;
const refusal = (code: string) => expect.objectContaining({ name: "HostError", code });

function reduce(values: readonly number[], shape: number[]): [indices: number[], values: number[]] {
  const [index, value] = bestOfLast(reduction, floatTensor("y", values, shape));
  expect([index!.name, index!.datatype, index!.shape]).toEqual(["i", "INT32", shape.slice(0, -1)]);
  expect([value!.name, value!.datatype, value!.shape]).toEqual(["v", "FP32", shape.slice(0, -1)]);
  return [[...new Int32Array(index!.data.slice().buffer)], readFloats(value!)];
}

describe("bestOfLast", () => {
  it.each<[string, number[], number[], number[], number[]]>([
    ["each row", [1, 3, 2, 9, 7, 8], [2, 3], [1, 0], [3, 9]],
    ["the first of equals", [1, 5, 5, 0, 0, 0], [2, 3], [1, 0], [5, 0]],
    ["-0 and 0 as equals", [-0, 0, 0, -0], [2, 2], [0, 0], [-0, 0]],
    ["a row of one", [7, -7], [2, 1], [0, 0], [7, -7]],
    ["an only axis, to a scalar", [1, 2, 3], [3], [2], [3]],
    ["negative numbers", [-3, -1, -2], [1, 3], [1], [-1]],
    ["infinities", [-Infinity, -Infinity, 0, Infinity], [2, 2], [0, 1], [-Infinity, Infinity]],
    ["leading axes as they are", [1, 2, 4, 3], [1, 2, 1, 2], [1, 0], [2, 4]],
    ["no rows to no rows", [], [0, 4], [], []],
  ])("takes %s", (_, values, shape, indices, best) => {
    expect(reduce(values, shape)).toEqual([indices, best]);
  });

  it("agrees with a search by hand", () => {
    const row = fc.array(fc.float({ noNaN: true }), { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(row, { maxLength: 9 }), (rows) => {
        const best = rows.map((one) => one.reduce((a, b) => Math.max(a, b)));
        const found = reduce(rows.flat(), [rows.length, 4]);
        expect(found[0]).toEqual(rows.map((one, i) => one.findIndex((x) => x === best[i])));
        expect(found[1].map((x) => x + 0)).toEqual(best.map((x) => x + 0));
      }),
    );
  });

  it("refuses NaN wherever it stands, of either sign and any payload", () => {
    const NANS = [0x7fc00000, 0xffc00000, 0x7f800001, 0xffffffff];
    for (const at of [0, 1, 2, 3, 4, 5]) {
      for (const bits of NANS) {
        const tensor = floatTensor("y", [1, 9, 2, Infinity, 5, 6], [2, 3]);
        new Uint32Array(tensor.data.buffer)[at] = bits;
        expect(() => bestOfLast(reduction, tensor)).toThrow(refusal("output_not_finite"));
      }
    }
  });

  it("keeps FP64 as it is", () => {
    const data = new Uint8Array(Float64Array.of(0.1, 0.1 + 2 ** -55, 0.2, 0.3).buffer);
    const tensor: Tensor = { name: "y", datatype: "FP64", shape: [2, 2], data };
    const [index, value] = bestOfLast(reduction, tensor);
    expect([...new Int32Array(index!.data.buffer)]).toEqual([1, 1]);
    expect([value!.datatype, ...new Float64Array(value!.data.buffer)]).toEqual(["FP64", 0.1 + 2 ** -55, 0.3]);
  });

  it("reads a view into a larger buffer", () => {
    const data = floatTensor("y", [9, 1, 2, 9]).data.subarray(4, 12);
    const [index, value] = bestOfLast(reduction, { name: "y", datatype: "FP32", shape: [2], data });
    expect([...new Int32Array(index!.data.buffer), ...readFloats(value!)]).toEqual([1, 2]);
  });

  it.each<[string, Tensor]>([
    ["an empty last axis", floatTensor("y", [], [3, 0])],
    ["a scalar", floatTensor("y", [1], [])],
    ["whole numbers", { name: "y", datatype: "INT32", shape: [1], data: new Uint8Array(4) }],
    ["half precision", { name: "y", datatype: "FP16", shape: [2], data: new Uint8Array(4) }],
  ])("refuses %s", (_, tensor) => {
    expect(() => bestOfLast(reduction, tensor)).toThrow(refusal("output_invalid"));
  });
});
