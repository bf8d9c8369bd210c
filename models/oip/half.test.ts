import * as fc from "fast-check";
import { expect, test } from "vitest";
import { fromHalfBits, toHalfBits } from "./half.ts";

test("every one of the 65536 halves survives", () => {
  for (let half = 0; half < 65536; half++) {
    const value = fromHalfBits(half);
    if (Number.isNaN(value)) expect(toHalfBits(value) & 0x7c00).toBe(0x7c00);
    else if (toHalfBits(value) !== half) expect.fail(`0x${half.toString(16)}`);
  }
});

test("rounds as Float16Array does", () => {
  const Float16 = (globalThis as unknown as { Float16Array?: new (list: number[]) => { 0: number } })
    .Float16Array!;
  const same = (value: number): void => {
    expect(fromHalfBits(toHalfBits(value))).toBe(new Float16([value])[0]);
  };
  fc.assert(fc.property(fc.double({ noNaN: true, min: -70000, max: 70000 }), same), { numRuns: 5000 });
  fc.assert(fc.property(fc.double({ noNaN: true, min: -1e-4, max: 1e-4 }), same), { numRuns: 5000 });
  // 2049 lies halfway between two halves, and one part in 2^40 above it binary32 would already have lost the rest.
  for (const value of [2049, 2051, 2049 + 2 ** -41, 65519.999, -65520, 2 ** -25, 2 ** -25 * 1.5, -0])
    same(value);
});
