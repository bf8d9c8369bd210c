import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Datatype, Tensor } from "../receipts/index.ts";
import { allFinite, checkInputs, MAX_INPUTS_BYTES } from "./check.ts";
import { floatTensor, identityModel, layerModel, longTensor, loopModel } from "./testing/models.ts";

const layer = layerModel().manifest;
const loop = loopModel().manifest;
const good = floatTensor("x", [1, 2, 3, 4], [2, 2]);

function raw(datatype: Datatype, count: number, bytes: readonly number[]): Tensor {
  return { name: "x", datatype, shape: [count], data: Uint8Array.from(bytes) };
}

/** The same bytes at an odd address. */
function shift(bytes: Uint8Array): Uint8Array {
  return Uint8Array.from([0, ...bytes]).subarray(1);
}

function refusal(code: string, text = "") {
  return expect.objectContaining({ name: "ModelError", code, message: expect.stringContaining(text) });
}

describe("checkInputs", () => {
  it("takes what the manifest says", () => {
    checkInputs(layer, [good]);
    checkInputs(loop, [longTensor("trips", [1n]), floatTensor("x", [0])]);
  });

  it.each<[string, Tensor[], string]>([
    ["input_missing", [], '"x"'],
    ["input_name_unknown", [good, { ...good, name: "z" }], '"z"'],
    ["input_name_unknown", [{ ...good, name: "__proto__" }], "__proto__"],
    ["input_duplicate", [good, good], '"x"'],
    ["input_datatype_mismatch", [{ ...good, datatype: "FP64" }], "FP64"],
    ["input_datatype_mismatch", [{ ...good, datatype: "BF16" as Datatype }], "BF16"],
    ["input_shape_mismatch", [floatTensor("x", [1, 2, 3], [1, 3])], "[1, 3]"],
    ["input_shape_mismatch", [floatTensor("x", [1, 2], [2])], "[2]"],
    ["input_shape_mismatch", [floatTensor("x", [], [0, 2])], "empty"],
    ["input_shape_mismatch", [floatTensor("x", [], [-1, 2])], "empty"],
    ["input_shape_mismatch", [floatTensor("x", [1, 2], [1.5, 2])], "range"],
    ["input_shape_mismatch", [floatTensor("x", [1, 2], [NaN, 2])], "range"],
    ["input_shape_mismatch", [{ ...good, shape: [3, 2] }], "24"],
    ["input_shape_mismatch", [{ ...good, data: good.data.subarray(1) }], "15"],
    ["input_too_large", [{ ...good, shape: [1025, 2] }], "1024"],
    ["input_too_large", [{ ...good, data: new Uint8Array(MAX_INPUTS_BYTES + 1) }], `${MAX_INPUTS_BYTES}`],
    ["input_not_finite", [floatTensor("x", [1, NaN], [1, 2])], "NaN"],
    ["input_not_finite", [floatTensor("x", [-Infinity, 1], [1, 2])], "NaN"],
  ])("refuses with %s", (code, tensors, text) => {
    expect(() => checkInputs(layer, tensors)).toThrow(refusal(code, text));
  });

  it("refuses dimensions whose product no number holds", () => {
    const { manifest } = identityModel("UINT8");
    const spec = manifest.inputs[0]!;
    const wide = { ...manifest, inputs: [{ ...spec, shape: [-1, -1, -1] }] };
    const tensor: Tensor = {
      name: "x",
      datatype: "UINT8",
      shape: [1, 2 ** 31, 2 ** 31],
      data: new Uint8Array(0),
    };
    expect(() => checkInputs(wide, [tensor])).toThrow(refusal("input_shape_mismatch", "range"));
  });

  it("holds a free dimension to its bound", () => {
    const { manifest } = identityModel("UINT8");
    const bounded = { ...manifest, inputs: [{ ...manifest.inputs[0]!, maxShape: [3] }] };
    checkInputs(bounded, [raw("UINT8", 3, [1, 2, 3])]);
    expect(() => checkInputs(bounded, [raw("UINT8", 4, [1, 2, 3, 4])])).toThrow(
      refusal("input_too_large", "the most is 3"),
    );
  });

  it("takes only whole BYTES elements, as many as the shape says", () => {
    const { manifest } = identityModel("BYTES");
    checkInputs(manifest, [raw("BYTES", 2, [1, 0, 0, 0, 65, 0, 0, 0, 0])]);
    expect(() => checkInputs(manifest, [raw("BYTES", 1, [1, 0, 0, 0, 65, 0, 0, 0, 0])])).toThrow(
      refusal("input_shape_mismatch"),
    );
    for (const cut of [
      [1, 0, 0],
      [2, 0, 0, 0, 65],
      [255, 255, 255, 255, 65],
    ]) {
      expect(() => checkInputs(manifest, [raw("BYTES", 1, cut)])).toThrow(refusal("input_invalid"));
    }
  });

  it("takes only 0 and 1 as BOOL", () => {
    const { manifest } = identityModel("BOOL");
    checkInputs(manifest, [raw("BOOL", 1, [1])]);
    expect(() => checkInputs(manifest, [raw("BOOL", 1, [2])])).toThrow(refusal("input_invalid", "BOOL"));
  });

  it("lets NaN pass where the manifest does", () => {
    const open = { ...layer, inputs: [{ ...layer.inputs[0]!, finite: false }] };
    checkInputs(open, [floatTensor("x", [NaN, Infinity], [1, 2])]);
  });
});

describe("allFinite", () => {
  it("agrees with Number.isFinite on every FP16", () => {
    const view = new DataView(new ArrayBuffer(2));
    for (let bits = 0; bits < 65_536; bits++) {
      view.setUint16(0, bits, true);
      const exponent = (bits >> 10) & 31;
      expect(allFinite({ datatype: "FP16", data: new Uint8Array(view.buffer) })).toBe(exponent !== 31);
    }
  });

  it("agrees with Number.isFinite on FP32 and FP64, at any alignment and place", () => {
    const bits32 = fc
      .uint8Array({ minLength: 4, maxLength: 32 })
      .map((bytes) => bytes.subarray(0, bytes.length & ~3));
    fc.assert(
      fc.property(
        fc.oneof(
          bits32,
          fc.array(fc.float()).map((list) => new Uint8Array(Float32Array.from(list).buffer)),
        ),
        (data) => {
          const expected = [...new Float32Array(data.slice().buffer)].every(Number.isFinite);
          expect(allFinite({ datatype: "FP32", data: shift(data) })).toBe(expected);
        },
      ),
    );
    fc.assert(
      fc.property(fc.array(fc.double()), (list) => {
        const data = new Uint8Array(Float64Array.from(list).buffer);
        expect(allFinite({ datatype: "FP64", data: shift(data) })).toBe(list.every(Number.isFinite));
      }),
    );
  });
});
