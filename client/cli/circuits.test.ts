import { expect, test } from "vitest";
import { inputRangeOf } from "./circuits.ts";

function sample(...values: number[]) {
  const data = Buffer.from(new Uint8Array(Float32Array.from(values).buffer));
  return { inputs: [{ name: "x", datatype: "FP32" as const, shape: [values.length], data }], outputs: [] };
}

test("the range is four times the largest sample, up to a power of two, also out of a pooled buffer", () => {
  // Both lie in one buffer, which holds more than either.
  const samples = [sample(1e30), sample(0.5, -3)];
  expect(inputRangeOf(samples.slice(1))).toBe(16);
  expect(inputRangeOf([sample(0)])).toBe(2 ** -8);
});
