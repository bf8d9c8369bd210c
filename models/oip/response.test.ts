import { describe, expect, test } from "vitest";
import { fromUtf8, toHex, utf8 } from "../../codec/index.ts";
import type { Tensor } from "../../receipts/index.ts";
import { encodeInferResponse, frameBytes, parseInferResponse } from "./index.ts";

const raw = (array: { buffer: ArrayBufferLike }) => new Uint8Array(array.buffer);
const outputs: Tensor[] = [
  { name: "p", datatype: "FP32", shape: [1, 3], data: raw(Float32Array.of(0.1, -0, 1e-30)) },
  { name: "n", datatype: "INT64", shape: [2], data: raw(BigInt64Array.of(9007199254740993n, -1n)) },
  { name: "t", datatype: "BYTES", shape: [1], data: frameBytes([utf8("naïve")]) },
];
const all = { outputs: undefined, binaryOutput: false };

describe("responses", () => {
  test("JSON", () => {
    const { body, headerLength, contentType } = encodeInferResponse(
      { modelName: "m", modelVersion: "1", id: "7", outputs },
      all,
    );
    expect(headerLength).toBeUndefined();
    expect(contentType).toBe("application/json");
    expect(fromUtf8(body)).toBe(
      '{"model_name":"m","model_version":"1","id":"7","outputs":[' +
        '{"name":"p","datatype":"FP32","shape":[1,3],"data":[0.10000000149011612,-0.0,1.0000000031710769e-30]},' +
        '{"name":"n","datatype":"INT64","shape":[2],"data":[9007199254740993,-1]},' +
        '{"name":"t","datatype":"BYTES","shape":[1],"data":["naïve"]}]}',
    );
    expect(parseInferResponse(body).outputs).toEqual(outputs);
  });

  test("binary, all and by output; the header length is exact", () => {
    for (const request of [
      { outputs: undefined, binaryOutput: true },
      {
        outputs: [
          { name: "t", binary: true },
          { name: "p", binary: false },
        ],
        binaryOutput: true,
      },
    ]) {
      const { body, headerLength, contentType } = encodeInferResponse({ modelName: "m", outputs }, request);
      expect(contentType).toBe("application/octet-stream");
      JSON.parse(fromUtf8(body.subarray(0, headerLength)));
      const parsed = parseInferResponse(body, headerLength).outputs;
      const wanted =
        request.outputs?.map(({ name }) => outputs.find((output) => output.name === name)!) ?? outputs;
      expect(parsed.map(({ name, data }) => [name, toHex(data)])).toEqual(
        wanted.map(({ name, data }) => [name, toHex(data)]),
      );
    }
  });

  test("an unknown output is named", () => {
    expect(() =>
      encodeInferResponse(
        { modelName: "m", outputs },
        { outputs: [{ name: "q", binary: true }], binaryOutput: false },
      ),
    ).toThrow(expect.objectContaining({ code: "oip_output_unknown" }));
  });

  test.each<[string, Tensor]>([
    ["oip_not_finite", { name: "p", datatype: "FP32", shape: [1], data: raw(Float32Array.of(NaN)) }],
    ["oip_not_finite", { name: "p", datatype: "FP64", shape: [1], data: raw(Float64Array.of(-Infinity)) }],
    ["oip_not_finite", { name: "p", datatype: "FP16", shape: [1], data: Uint8Array.of(0, 0x7c) }],
    ["oip_not_text", { name: "p", datatype: "BYTES", shape: [1], data: frameBytes([Uint8Array.of(0xff)]) }],
  ])("%s in JSON, fine in binary %#", (code, output) => {
    expect(() => encodeInferResponse({ modelName: "m", outputs: [output] }, all)).toThrow(
      expect.objectContaining({ code }),
    );
    const { body, headerLength } = encodeInferResponse(
      { modelName: "m", outputs: [output] },
      { outputs: undefined, binaryOutput: true },
    );
    expect(toHex(parseInferResponse(body, headerLength).outputs[0]!.data)).toBe(toHex(output.data));
  });

  test("views at odd offsets are read", () => {
    for (const shifted of [new Uint8Array(13), Buffer.from(new ArrayBuffer(13))]) {
      shifted.set(outputs[0]!.data, 1);
      const output = { ...outputs[0]!, data: shifted.subarray(1) };
      const { body } = encodeInferResponse({ modelName: "m", outputs: [output] }, all);
      expect(toHex(parseInferResponse(body).outputs[0]!.data)).toBe(toHex(outputs[0]!.data));
    }
  });

  test("a response that is none is refused", () => {
    expect(() => parseInferResponse(utf8('{"error":"no"}'))).toThrow(
      expect.objectContaining({ code: "oip_member_unknown" }),
    );
  });
});
