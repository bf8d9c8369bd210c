import { describe, expect, test } from "vitest";
import { utf8 } from "../../codec/index.ts";
import { parseInferRequest, parseInferResponse } from "./index.ts";

const MIB = 1024 * 1024;
const data = (text: string) => `{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[${text}]}]}`;
const numbered = (count: number, one: (i: number) => string) =>
  Array.from({ length: count }, (_, i) => one(i));

describe("JSON that unfolds to far more than its text", () => {
  test.each([
    ["deep arrays", data("[".repeat(MIB) + "]".repeat(MIB))],
    ["deep objects", data('{"a":'.repeat(MIB) + "0" + "}".repeat(MIB))],
    ["arrays", data("[],".repeat(2 * MIB) + "0")],
    ["objects", data("{},".repeat(MIB) + "0")],
    ["sparse objects", data('{"35":0},'.repeat(MIB) + "0")],
    ["names", `{"inputs":[],"parameters":{${numbered(200_000, (i) => `"n${i}":0`).join(",")}}}`],
    ["number names", `{"inputs":[],"parameters":{${numbered(200_000, (i) => `"${i * 977}":0`).join(",")}}}`],
    ["no JSON at all", "[".repeat(MIB)],
  ])("is refused before it is parsed: %s", (_, text) => {
    const body = utf8(text);
    // Of what is parsed, memory would be left over.
    const heldBefore = process.memoryUsage().heapUsed;
    const refusal = expect.objectContaining({ name: "OipError", code: "oip_too_large" });
    expect(() => parseInferRequest(body)).toThrow(refusal);
    expect(() => parseInferResponse(body)).toThrow(refusal);
    expect(process.memoryUsage().heapUsed - heldBefore).toBeLessThan(MIB);
  });

  test("is not what stands inside strings, nor the largest message that is one", () => {
    const name = '[{\\"'.repeat(60);
    const text = JSON.stringify(name);
    const inString = `{"id":${text},"inputs":[{"name":${text},"datatype":"BYTES","shape":[1],"data":[${JSON.stringify(name.repeat(5000))}]}]}`;
    expect(parseInferRequest(utf8(inString)).id).toBe(name);

    const parameters = `"parameters":{${numbered(64, (i) => `"p${i}":true`).join(",")}}`;
    const nested = "[".repeat(16) + "0" + "]".repeat(16);
    const shape = `[${numbered(16, () => "1").join(",")}]`;
    const inputs = numbered(
      64,
      (i) => `{"name":"x${i}","datatype":"FP32","shape":${shape},"data":${nested},${parameters}}`,
    );
    const outputs = numbered(64, (i) => `{"name":"y${i}",${parameters}}`);
    const largest = `{"inputs":[${inputs.join(",")}],"outputs":[${outputs.join(",")}],${parameters}}`;
    expect(parseInferRequest(utf8(largest)).inputs).toHaveLength(64);
  });
});
