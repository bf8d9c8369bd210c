import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concat, utf8 } from "../codec/index.ts";
import type { Datatype, Tensor } from "./tensors.ts";
import { DATATYPES, bytesElements, canonicalTensors, parseCanonicalTensors } from "./tensors.ts";

const refusal = (code: string) => expect.objectContaining({ name: "ReceiptError", code });

function bytesData(elements: Uint8Array[]): Uint8Array {
  return concat(
    ...elements.flatMap((element) => {
      const length = new Uint8Array(4);
      new DataView(length.buffer).setUint32(0, element.length, true);
      return [length, element];
    }),
  );
}

const arbitraryTensor: fc.Arbitrary<Tensor> = fc
  .record({
    name: fc.string({ unit: "grapheme", minLength: 1, maxLength: 12 }),
    datatype: fc.constantFrom(...(Object.keys(DATATYPES) as Datatype[])),
    shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
    seed: fc.uint8Array({ minLength: 1, maxLength: 16 }),
  })
  .map(({ name, datatype, shape, seed }) => {
    const count = shape.reduce((product, dim) => product * dim, 1);
    if (datatype === "BYTES") {
      return {
        name,
        datatype,
        shape,
        data: bytesData(Array.from({ length: count }, (_, i) => seed.subarray(i % 4))),
      };
    }
    const data = new Uint8Array(count * DATATYPES[datatype].byteLength);
    for (let i = 0; i < data.length; i++) data[i] = seed[i % seed.length]! & (datatype === "BOOL" ? 1 : 255);
    return { name, datatype, shape, data };
  });

const arbitraryTensors = fc.uniqueArray(arbitraryTensor, { selector: (tensor) => tensor.name, maxLength: 5 });
const EXAMPLE: Tensor[] = [
  { name: "b", datatype: "INT16", shape: [2], data: Uint8Array.of(1, 0, 2, 0) },
  { name: "a", datatype: "BOOL", shape: [], data: Uint8Array.of(1) },
];

const anyRefusal = expect.objectContaining({ name: "ReceiptError" });
const u64 = (value: number) => Uint8Array.of(value, 0, 0, 0, 0, 0, 0, 0);
const emptyTensor = (name: string): Tensor => ({
  name,
  datatype: "UINT8",
  shape: [0],
  data: new Uint8Array(0),
});

describe("canonicalTensors", () => {
  it("has the layout of the specification", () => {
    const expected = concat(
      Uint8Array.of(1, 2, 0, 0, 0),
      concat(Uint8Array.of(1, 0), utf8("a"), Uint8Array.of(1, 0), u64(1), Uint8Array.of(1)),
      concat(Uint8Array.of(1, 0), utf8("b"), Uint8Array.of(7, 1), u64(2), u64(4), Uint8Array.of(1, 0, 2, 0)),
    );
    expect(canonicalTensors(EXAMPLE)).toEqual(expected);
  });

  it("comes back, and does not depend on the order given", () => {
    fc.assert(
      fc.property(arbitraryTensors, (tensors) => {
        const bytes = canonicalTensors(tensors);
        expect(canonicalTensors(tensors.toReversed())).toEqual(bytes);
        const parsed = parseCanonicalTensors(bytes);
        const byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
        expect(parsed.length).toBe(tensors.length);
        for (const tensor of parsed)
          expect({ ...tensor, data: tensor.data.slice() }).toEqual(byName.get(tensor.name));
      }),
    );
  });

  it("orders names by their bytes, not by UTF-16 units", () => {
    const names = ["\uff5e", "\u{1f600}", "z", "za"];
    const parsed = parseCanonicalTensors(canonicalTensors(names.map(emptyTensor)));
    expect(parsed.map(({ name }) => name)).toEqual(["z", "za", "\uff5e", "\u{1f600}"]);
  });

  it("refuses duplicates, bad names, and data that does not fit", () => {
    const [first] = EXAMPLE;
    const make = (change: Partial<Tensor>) => () => canonicalTensors([{ ...first!, ...change }]);
    expect(() => canonicalTensors([first!, first!])).toThrow(refusal("tensor_name_duplicate"));
    expect(make({ name: "" })).toThrow(refusal("tensor_invalid"));
    expect(make({ name: "\ud800" })).toThrow(refusal("tensor_invalid"));
    expect(make({ name: "n".repeat(513) })).toThrow(refusal("tensor_invalid"));
    expect(make({ shape: [3] })).toThrow(refusal("tensor_invalid"));
    expect(make({ shape: [-2] })).toThrow(refusal("tensor_invalid"));
    expect(make({ shape: [0.5] })).toThrow(refusal("tensor_invalid"));
    expect(make({ shape: [2 ** 40, 2 ** 40] })).toThrow(refusal("tensor_limit"));
    expect(make({ shape: Array.from({ length: 17 }, () => 1) })).toThrow(refusal("tensor_limit"));
    expect(make({ datatype: "toString" as Datatype })).toThrow(refusal("tensor_invalid"));
    expect(make({ datatype: "BOOL", shape: [4], data: Uint8Array.of(0, 1, 2, 0) })).toThrow(
      refusal("tensor_invalid"),
    );
    expect(make({ datatype: "BYTES", shape: [1], data: Uint8Array.of(1, 0, 0) })).toThrow(
      refusal("tensor_invalid"),
    );
    expect(make({ datatype: "BYTES", shape: [1], data: Uint8Array.of(2, 0, 0, 0, 7) })).toThrow(
      refusal("tensor_invalid"),
    );
    expect(make({ datatype: "BYTES", shape: [2], data: bytesData([utf8("x")]) })).toThrow(
      refusal("tensor_invalid"),
    );
    const many = Array.from({ length: 1025 }, (_, i) => ({ ...first!, name: `t${i}` }));
    expect(() => canonicalTensors(many)).toThrow(refusal("tensor_limit"));
  });

  it("reads the elements of BYTES", () => {
    const elements = [utf8("one"), new Uint8Array(0), utf8("three")];
    expect([...bytesElements(bytesData(elements))]).toEqual(elements);
  });
});

describe("parseCanonicalTensors", () => {
  it("refuses every prefix, a suffix and a wrong order", () => {
    const bytes = canonicalTensors(EXAMPLE);
    for (let length = 0; length < bytes.length; length++) {
      expect(() => parseCanonicalTensors(bytes.subarray(0, length))).toThrow(
        refusal("tensor_encoding_invalid"),
      );
    }
    expect(() => parseCanonicalTensors(concat(bytes, Uint8Array.of(0)))).toThrow(
      refusal("tensor_encoding_invalid"),
    );
    const swapped = concat(bytes.subarray(0, 5), bytes.subarray(19), bytes.subarray(5, 19));
    expect(() => parseCanonicalTensors(swapped)).toThrow(anyRefusal);
    const twice = concat(Uint8Array.of(1, 2, 0, 0, 0), bytes.subarray(5, 19), bytes.subarray(5, 19));
    expect(() => parseCanonicalTensors(twice)).toThrow(anyRefusal);
  });

  it("accepts only what it would write, whatever the bytes", () => {
    fc.assert(
      fc.property(arbitraryTensors, fc.nat(), fc.integer({ min: 1, max: 255 }), (tensors, position, flip) => {
        const bytes = canonicalTensors(tensors);
        bytes[position % bytes.length]! ^= flip;
        let parsed: Tensor[];
        try {
          parsed = parseCanonicalTensors(bytes);
        } catch (error) {
          expect(error).toEqual(anyRefusal);
          return;
        }
        expect(canonicalTensors(parsed)).toEqual(bytes);
      }),
      { numRuns: 500 },
    );
  });
});
