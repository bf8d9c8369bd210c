import * as fc from "fast-check";
import { decodeAbiParameters } from "viem";
import { describe, expect, it } from "vitest";
import { toHex0x, utf8 } from "../codec/index.ts";
import { fp16Value, roundScaled, roundScaledExact } from "./fixed-point.ts";
import { encodeOutput } from "./output.ts";
import type { Datatype, Tensor } from "./tensors.ts";
import { canonicalTensors } from "./tensors.ts";

const refusal = (code: string) => expect.objectContaining({ name: "ReceiptError", code });

/** Decimal arithmetic on text, sharing nothing with the encoder: the exact decimal expansion, then round half to even. */
function roundByDecimals(value: number, scale: number): bigint {
  let numerator = BigInt(Math.abs(value) >= 2 ** 53 ? value : 0);
  let digits = 0;
  if (numerator === 0n) {
    let rest = value;
    let denominator = 0;
    while (!Number.isInteger(rest)) {
      rest *= 2;
      denominator++;
    }
    numerator = BigInt(rest) * 5n ** BigInt(denominator);
    digits = denominator;
  }
  if (digits <= scale) return numerator * 10n ** BigInt(scale - digits);
  const sign = numerator < 0n ? -1n : 1n;
  const text = (numerator * sign).toString().padStart(digits + 1, "0");
  const cut = text.length - (digits - scale);
  const whole = BigInt(text.slice(0, cut) || "0");
  const tail = text.slice(cut);
  const half = "5".padEnd(tail.length, "0");
  const up = tail > half || (tail === half && whole % 2n === 1n);
  return sign * (up ? whole + 1n : whole);
}

function floats(datatype: "FP32" | "FP64", values: number[]): Tensor {
  const array = datatype === "FP32" ? Float32Array.from(values) : Float64Array.from(values);
  return { name: "y", datatype, shape: [values.length], data: new Uint8Array(array.buffer) };
}

function decoded(encoded: Uint8Array): readonly bigint[] {
  return decodeAbiParameters([{ type: "int256[]" }], toHex0x(encoded) as `0x${string}`)[0];
}

describe("roundScaled", () => {
  it("agrees with decimal arithmetic for every double of moderate size", () => {
    fc.assert(
      fc.property(
        fc.double({ min: -1e30, max: 1e30, noNaN: true }),
        fc.integer({ min: 0, max: 76 }),
        (value, scale) => {
          expect(roundScaled(value, scale, false)).toBe(roundByDecimals(value, scale));
        },
      ),
      { numRuns: 1000 },
    );
  });

  it("gives the same by the fast way for FP32", () => {
    fc.assert(
      fc.property(
        fc.float({ noNaN: true, noDefaultInfinity: true }),
        fc.integer({ min: 0, max: 20 }),
        (value, scale) => {
          expect(roundScaled(value, scale, true)).toBe(roundScaledExact(value, scale));
        },
      ),
      { numRuns: 3000 },
    );
  });

  it("gives the same by the fast way for ties at every scale", () => {
    for (let scale = 0; scale <= 12; scale++) {
      for (let n = -50; n <= 50; n++) {
        const value = Math.fround((n + 0.5) / 2 ** scale);
        expect(roundScaled(value, scale, true)).toBe(roundByDecimals(value, scale));
      }
    }
  });

  it("rounds halves to even, on both sides of zero", () => {
    const cases = [
      [0.5, 0n],
      [1.5, 2n],
      [2.5, 2n],
      [-0.5, 0n],
      [-1.5, -2n],
      [-2.5, -2n],
      [0.75, 1n],
      [-0, 0n],
    ] as const;
    for (const [value, expected] of cases) {
      expect(roundScaled(value, 0, true)).toBe(expected);
      expect(roundScaledExact(value, 0)).toBe(expected);
    }
  });

  it("takes the exact value of the float, not its shortest decimal", () => {
    expect(roundScaled(Math.fround(0.1), 12, true)).toBe(100000001490n);
    expect(roundScaled(0.1, 20, false)).toBe(10000000000000000555n);
  });
});

describe("fp16Value", () => {
  it.skipIf(!("Float16Array" in globalThis))(
    "knows all 65,536 values (needs a runtime with Float16Array)",
    () => {
      const values = new Float16Array(Uint16Array.from({ length: 65_536 }, (_, bits) => bits).buffer);
      const wrong = Array.from(values, (value, bits) =>
        Object.is(fp16Value(bits), value) ? [] : [bits],
      ).flat();
      expect(wrong).toEqual([]);
    },
  );

  it("knows the corners", () => {
    const corners = [
      [0x0001, 2 ** -24],
      [0x03ff, 1023 * 2 ** -24],
      [0x0400, 2 ** -14],
      [0x3c00, 1],
      [0xc000, -2],
      [0x7bff, 65504],
    ];
    for (const [bits, value] of corners) expect(fp16Value(bits!)).toBe(value);
    expect(fp16Value(0xfc00)).toBe(-Infinity);
    expect(fp16Value(0x7e00)).toBeNaN();
  });
});

const encode =
  (tensor: Tensor, scale = 6) =>
  () =>
    encodeOutput({ kind: "fixedPoint", scale }, [tensor]);

describe("encodeOutput", () => {
  it("encodes int256[] as Solidity reads it, in the order given", () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { maxLength: 8 }),
        (values) => {
          const tensors = [floats("FP32", values), { ...floats("FP64", [0.25]), name: "a" }];
          const expected = [...values.map((value) => roundScaledExact(value, 6)), 250_000n];
          expect(decoded(encodeOutput({ kind: "fixedPoint", scale: 6 }, tensors))).toEqual(expected);
        },
      ),
    );
  });

  it("reads every numeric datatype", () => {
    const cases: [Datatype, number[], bigint][] = [
      ["BOOL", [1], 10n],
      ["UINT8", [255], 2550n],
      ["UINT16", [255, 255], 655350n],
      ["UINT32", [255, 255, 255, 255], 42949672950n],
      ["UINT64", [255, 255, 255, 255, 255, 255, 255, 255], 184467440737095516150n],
      ["INT8", [255], -10n],
      ["INT16", [254, 255], -20n],
      ["INT32", [253, 255, 255, 255], -30n],
      ["INT64", [0, 0, 0, 0, 0, 0, 0, 128], -92233720368547758080n],
      ["FP16", [0, 0x3c], 10n],
    ];
    for (const [datatype, data, expected] of cases) {
      const tensor = { name: "y", datatype, shape: [1], data: Uint8Array.from(data) };
      expect(decoded(encodeOutput({ kind: "fixedPoint", scale: 1 }, [tensor]))).toEqual([expected]);
    }
  });

  it("refuses what is not finite, what overflows, and what is no number", () => {
    for (const value of [NaN, Infinity, -Infinity]) {
      expect(encode(floats("FP32", [value]))).toThrow(refusal("output_not_finite"));
      expect(encode(floats("FP64", [1, value]))).toThrow(refusal("output_not_finite"));
    }
    expect(encode(floats("FP64", [Number.MAX_VALUE]))).toThrow(refusal("output_overflow"));
    expect(encode(floats("FP64", [2 ** 255]), 0)).toThrow(refusal("output_overflow"));
    expect(decoded(encode(floats("FP64", [-(2 ** 255)]), 0)())).toEqual([-(2n ** 255n)]);
    expect(encode(floats("FP32", [10]), 76)).toThrow(refusal("output_overflow"));
    expect(encode(floats("FP32", [1]), 77)).toThrow(refusal("output_kind_mismatch"));
    expect(encode(floats("FP32", [1]), 0.5)).toThrow(refusal("output_kind_mismatch"));
    expect(encode({ name: "y", datatype: "BYTES", shape: [0], data: new Uint8Array(0) })).toThrow(
      refusal("output_kind_mismatch"),
    );
    expect(encode({ name: "y", datatype: "UINT8", shape: [65_537], data: new Uint8Array(65_537) })).toThrow(
      refusal("output_limit"),
    );
    expect(encode({ ...floats("FP32", [1]), shape: [2] })).toThrow(refusal("tensor_invalid"));
  });

  it("gives canonical tensors for tensor and the text for utf8", () => {
    const text = utf8("héllo");
    const tensor: Tensor = {
      name: "t",
      datatype: "BYTES",
      shape: [1],
      data: Uint8Array.of(6, 0, 0, 0, ...text),
    };
    expect(encodeOutput({ kind: "tensor" }, [tensor])).toEqual(canonicalTensors([tensor]));
    expect(encodeOutput({ kind: "utf8" }, [tensor])).toEqual(text);
    expect(() => encodeOutput({ kind: "utf8" }, [tensor, tensor])).toThrow(refusal("output_kind_mismatch"));
    expect(() => encodeOutput({ kind: "utf8" }, [floats("FP32", [1])])).toThrow(
      refusal("output_kind_mismatch"),
    );
    const bad = { ...tensor, data: Uint8Array.of(1, 0, 0, 0, 255) };
    expect(() => encodeOutput({ kind: "utf8" }, [bad])).toThrow(refusal("output_kind_mismatch"));
    const two = { ...tensor, shape: [2], data: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0) };
    expect(() => encodeOutput({ kind: "utf8" }, [two])).toThrow(refusal("output_kind_mismatch"));
  });
});
