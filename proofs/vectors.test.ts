/** Quantisation, difference and commitment, against what exact fractions and EZKL's own Poseidon gave. */
import { readdirSync, readFileSync } from "node:fs";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromHex, toHex0x } from "../codec/index.ts";
import { commitInput, circuitElements, type InputForm } from "./commit.ts";
import { ProofError } from "./error.ts";
import { difference, quantise } from "./quantise.ts";
import { fp32 } from "./testing/models.ts";

type Vector =
  | { kind: "quantise"; value: number; scale: number; q: number }
  | { kind: "difference"; value: number; q: string; scale: number; units: string }
  | {
      kind: "commit";
      inputs: InputForm["inputs"];
      inputScale: number;
      inputRange: string;
      tensors: { name: string; shape: number[]; data: number[] }[];
      sCircuit: string;
      elements?: number[];
      circuitInput?: string;
      code?: string;
    };

const FOLDER = new URL("./vectors/", import.meta.url);
const files = readdirSync(FOLDER).filter((name) => /^(quantise|difference|commit)-.*\.json$/.test(name));
const vectors = files.map((name): [string, Vector] => [
  name,
  JSON.parse(readFileSync(new URL(name, FOLDER), "utf8")) as Vector,
]);

function commitment(vector: Extract<Vector, { kind: "commit" }>): unknown {
  const { inputs, inputScale } = vector;
  const form = { inputs, inputScale, inputRange: BigInt(vector.inputRange) };
  const tensors = vector.tensors.map(({ name, shape, data }) => fp32(name, shape, data));
  const salt = fromHex(vector.sCircuit);
  try {
    return {
      elements: circuitElements(form, tensors, salt),
      circuitInput: toHex0x(commitInput(form, tensors, salt)),
    };
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    return { code: error.code };
  }
}

describe("vectors", () => {
  it("are all there", () => {
    expect(vectors.length).toBe(26);
  });

  it.each(vectors)("%s", (_, vector) => {
    if (vector.kind === "quantise") expect(quantise(vector.value, vector.scale)).toBe(vector.q);
    else if (vector.kind === "difference")
      expect(difference(vector.value, BigInt(vector.q), vector.scale)).toBe(BigInt(vector.units));
    else {
      const { elements, circuitInput, code } = vector;
      expect(commitment(vector)).toEqual(code ? { code } : { elements, circuitInput });
    }
  });
});

describe("a quantised number", () => {
  it("lies within half a step of the number, and its difference says how far", () => {
    const numbers = fc.float({ min: -1e6, max: 1e6, noNaN: true });
    fc.assert(
      fc.property(numbers, fc.integer({ min: 0, max: 20 }), (value, scale) => {
        const q = quantise(value, scale);
        expect(Number.isSafeInteger(q)).toBe(true);
        expect(Math.abs(value - q / 2 ** scale)).toBeLessThanOrEqual(0.5 / 2 ** scale);
        expect(difference(value, BigInt(q), scale)).toBeLessThanOrEqual(BigInt(Math.ceil(5e8 / 2 ** scale)));
      }),
    );
  });

  it("is none where the number is none: NaN and infinity are refused", () => {
    const form = { inputs: [{ name: "x", shape: [1] }], inputScale: 8, inputRange: 2n ** 52n };
    for (const value of [Number.NaN, Infinity, -Infinity])
      expect(() => circuitElements(form, [fp32("x", [1], [value])], new Uint8Array(16))).toThrow(ProofError);
  });
});
