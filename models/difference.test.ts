import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Datatype, Tensor } from "../receipts/index.ts";
import { compareOutputs, NOT_COMPARED, toleranceNanos } from "./difference.ts";
import { floatTensor, longTensor } from "./testing/models.ts";

const one = (value: number): Tensor[] => [floatTensor("y", [value])];
const typed = (datatype: Datatype, data: Uint8Array): Tensor[] => [{ name: "y", datatype, shape: [1], data }];
const nanos = (a: number, b: number) => compareOutputs(one(a), one(b)).largestNanos;
const near = (a: number, b: number, absolute: number, relative: number) =>
  compareOutputs(one(a), one(b), { absolute, relative });
const LARGEST = NOT_COMPARED - 1n;

describe("the difference of two runs", () => {
  it("is the largest absolute one in units of 10^-9, rounded up, so that 0 is equal", () => {
    expect(nanos(0.5, 0.5)).toBe(0n);
    expect(nanos(0, -0)).toBe(0n);
    expect(nanos(1, 1 + 2 ** -23)).toBe(120n);
    expect(nanos(0, 1e-30)).toBe(1n);
    const more = compareOutputs([floatTensor("y", [1, 2, 3])], [floatTensor("y", [1.25, 2, 2])]);
    expect(more).toMatchObject({
      largestNanos: 1_000_000_000n,
      within: undefined,
      outputs: [{ name: "y", maxAbsolute: 1, maxRelative: 1 / 3 }],
    });
  });

  it("has no end of its own where a NaN or an infinity stands against a number", () => {
    expect([nanos(NaN, NaN), nanos(Infinity, Infinity)]).toEqual([0n, 0n]);
    for (const [a, b] of [
      [NaN, 1],
      [1, Infinity],
      [Infinity, -Infinity],
      [3e38, -3e38],
    ] as const) {
      expect(nanos(a, b)).toBe(LARGEST);
      expect(compareOutputs(one(a), one(b), { absolute: 1e30, relative: 0.5 }).within).toBe(false);
    }
  });

  it("is exact for 64-bit integers, and reads each datatype as itself", () => {
    const large = 2n ** 60n;
    expect(compareOutputs([longTensor("y", [large])], [longTensor("y", [large + 3n])]).largestNanos).toBe(
      3_000_000_000n,
    );
    expect(
      compareOutputs(typed("INT8", Uint8Array.of(0xff)), typed("INT8", Uint8Array.of(1))).outputs[0]!
        .maxAbsolute,
    ).toBe(2);
    expect(
      compareOutputs(typed("UINT8", Uint8Array.of(0xff)), typed("UINT8", Uint8Array.of(1))).outputs[0]!
        .maxAbsolute,
    ).toBe(254);
    expect(
      compareOutputs(typed("FP16", Uint8Array.of(0, 0x3c)), typed("FP16", Uint8Array.of(0, 0x38))).outputs[0]!
        .maxAbsolute,
    ).toBe(0.5);
    const text = (letter: number) => typed("BYTES", Uint8Array.of(1, 0, 0, 0, letter));
    expect(
      [compareOutputs(text(97), text(97)), compareOutputs(text(97), text(98))].map(
        ({ largestNanos }) => largestNanos,
      ),
    ).toEqual([0n, LARGEST]);
  });

  it("compares nothing where names, datatypes or shapes differ", () => {
    const others = [
      [],
      [floatTensor("z", [1])],
      [floatTensor("y", [1], [1, 1])],
      typed("INT32", new Uint8Array(4)),
      [floatTensor("y", [1, 1])],
    ];
    for (const other of others) {
      expect(compareOutputs(one(1), other)).toEqual({
        largestNanos: NOT_COMPARED,
        within: undefined,
        outputs: [],
      });
      expect(compareOutputs(one(1), other, { absolute: 9, relative: 9 }).within).toBe(false);
    }
  });

  it("is within the tolerance exactly where each element is, absolute and relative together", () => {
    expect(near(8, 8.5, 0.5, 0).within).toBe(true);
    expect(near(8, 8.75, 0.5, 0)).toMatchObject({ within: false, outputs: [{ outside: 1 }] });
    expect(near(8, 9, 0, 0.125).within).toBe(true);
    expect(near(8, 9.5, 0.5, 0.125).within).toBe(true);
    expect(near(0, 1, 0, 100).within).toBe(false);
  });

  it("is symmetric in its absolute part, and 0 for a run against itself", () => {
    const runs = fc.array(fc.float(), { minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(runs, runs, (a, b) => {
        const [left, right] = [floatTensor("y", a), floatTensor("y", b.slice(0, a.length))];
        expect(compareOutputs([left], [left]).largestNanos).toBe(0n);
        expect(compareOutputs([left], [right]).largestNanos).toBe(
          compareOutputs([right], [left]).largestNanos,
        );
      }),
    );
  });
});

it("states a tolerance in units of 10^-9, never more than it is", () => {
  const stated = [0, 1e-9, 1.5e-9, 0.25, 1e300].map((absolute) => toleranceNanos({ absolute, relative: 0 }));
  expect(stated).toEqual([0n, 1n, 1n, 250_000_000n, LARGEST]);
});
