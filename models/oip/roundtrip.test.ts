import * as fc from "fast-check";
import { expect, test } from "vitest";
import { toHex, utf8 } from "../../codec/index.ts";
import type { Datatype, Tensor } from "../../receipts/index.ts";
import { encodeInferRequest, frameBytes, parseInferRequest } from "./index.ts";
import type { OipError } from "./index.ts";

const tensor: fc.Arbitrary<Tensor> = fc
  .record({
    name: fc.string({ unit: "grapheme", maxLength: 20 }),
    datatype: fc.constantFrom<Datatype>(
      "BOOL",
      "UINT8",
      "UINT16",
      "UINT32",
      "UINT64",
      "INT8",
      "INT16",
      "INT32",
      "INT64",
      "FP16",
      "FP32",
      "FP64",
      "BYTES",
    ),
    shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 3 }),
  })
  .chain(({ name, datatype, shape }) => {
    const count = shape.reduce((product, size) => product * size, 1);
    const sizes: Record<Datatype, number> = {
      BOOL: 1,
      UINT8: 1,
      UINT16: 2,
      UINT32: 4,
      UINT64: 8,
      INT8: 1,
      INT16: 2,
      INT32: 4,
      INT64: 8,
      FP16: 2,
      FP32: 4,
      FP64: 8,
      BYTES: 0,
    };
    const length = count * sizes[datatype];
    const data =
      datatype === "BYTES"
        ? fc
            .array(fc.string({ unit: "grapheme" }), { minLength: count, maxLength: count })
            .map((list) => frameBytes(list.map(utf8)))
        : fc.uint8Array({ minLength: length, maxLength: length, max: datatype === "BOOL" ? 1 : 255 });
    return data.map((bytes) => ({ name, datatype, shape, data: bytes }));
  });
const tensors = fc.uniqueArray(tensor, { minLength: 1, maxLength: 4, selector: ({ name }) => name });

test("binary requests survive encoding", () => {
  fc.assert(
    fc.property(
      tensors,
      fc.option(fc.string({ unit: "grapheme", maxLength: 50 }), { nil: undefined }),
      (inputs, id) => {
        const { body, headerLength } = encodeInferRequest({ inputs, id }, { binary: true });
        const parsed = parseInferRequest(body, headerLength);
        expect(parsed.inputs.map(plain)).toEqual(inputs.map(plain));
        expect(parsed.id).toBe(id);
        expect(parsed.binaryOutput).toBe(true);
      },
    ),
  );
});

test("JSON requests survive encoding to the bit, or are refused for numbers that JSON lacks", () => {
  fc.assert(
    fc.property(tensors, (inputs) => {
      let encoded;
      try {
        encoded = encodeInferRequest({
          inputs,
          outputs: [
            { name: "y", binary: true },
            { name: "z", binary: undefined },
          ],
        });
      } catch (error) {
        expect((error as OipError).code).toBe("oip_not_finite");
        return;
      }
      expect(encoded.headerLength).toBeUndefined();
      const parsed = parseInferRequest(encoded.body);
      expect(parsed.inputs.map(plain)).toEqual(inputs.map(plain));
      expect(parsed.outputs).toEqual([
        { name: "y", binary: true },
        { name: "z", binary: undefined },
      ]);
    }),
    { numRuns: 500 },
  );
});

function plain({ name, datatype, shape, data }: Tensor) {
  return { name, datatype, shape, data: toHex(data) };
}
