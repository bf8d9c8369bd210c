import { describe, expect, test } from "vitest";
import { concat, toHex, utf8 } from "../../codec/index.ts";
import type { Datatype } from "../../receipts/index.ts";
import { frameBytes, OipError, parseInferRequest } from "./index.ts";
import type { OipErrorCode } from "./index.ts";

const parse = (value: unknown, headerLength?: number) =>
  parseInferRequest(utf8(typeof value === "string" ? value : JSON.stringify(value)), headerLength);
const one = (datatype: string, shape: unknown, data: unknown, more: object = {}) => ({
  inputs: [{ name: "x", datatype, shape, data, ...more }],
});
const hex = (value: unknown) => toHex(parse(value).inputs[0]!.data);

function expectCode(code: OipErrorCode, run: () => unknown): void {
  try {
    run();
  } catch (error) {
    expect(error).toBeInstanceOf(OipError);
    expect((error as OipError).code).toBe(code);
    return;
  }
  expect.fail(`expected ${code}`);
}

const integers = (text: string, datatype: string) =>
  `{"id":"12345678901234567890 \\" 98765432109876543","inputs":[{"name":"x","datatype":"${datatype}","shape":[3],"data":${text}}]}`;
const message = (inputs: object[], ...parts: Uint8Array[]): [Uint8Array, number] => {
  const json = utf8(JSON.stringify({ inputs }));
  return [concat(json, ...parts), json.length];
};
const input = (datatype: string, shape: number[], size: unknown, more: object = {}) => ({
  name: `x${datatype}`,
  datatype,
  shape,
  parameters: { binary_data_size: size },
  ...more,
});

const values = (text: string, datatype: string) => {
  const { id, inputs } = parse(integers(text, datatype));
  expect(id).toBe('12345678901234567890 " 98765432109876543');
  const { buffer } = inputs[0]!.data;
  return Array.from(datatype === "INT64" ? new BigInt64Array(buffer) : new BigUint64Array(buffer));
};

describe("JSON data", () => {
  test.each<[Datatype, unknown[], string]>([
    ["BOOL", [true, false], "0100"],
    ["UINT8", [0, 255], "00ff"],
    ["INT8", [-128, 127], "807f"],
    ["UINT16", [65535, 1], "ffff0100"],
    ["INT16", [-32768, 1], "00800100"],
    ["UINT32", [4294967295, 1], "ffffffff01000000"],
    ["INT32", [-2147483648, 1], "0000008001000000"],
    ["FP16", [1, -2], "003c00c0"],
    ["FP32", [1, -2], "0000803f000000c0"],
    ["FP64", [1, -2], "000000000000f03f00000000000000c0"],
    ["BYTES", ["a", "é"], "010000006102000000c3a9"],
  ])("%s", (datatype, data, expected) => {
    expect(hex(one(datatype, [2], data))).toBe(expected);
  });

  test("nested data follows the shape, flat data is the same", () => {
    const flat = hex(one("INT32", [2, 3], [1, 2, 3, 4, 5, 6]));
    expect(
      hex(
        one(
          "INT32",
          [2, 3],
          [
            [1, 2, 3],
            [4, 5, 6],
          ],
        ),
      ),
    ).toBe(flat);
    expectCode("oip_data_length_mismatch", () =>
      parse(
        one(
          "INT32",
          [2, 3],
          [
            [1, 2, 3],
            [4, 5],
          ],
        ),
      ),
    );
    expectCode("oip_data_length_mismatch", () =>
      parse(
        one(
          "INT32",
          [3, 2],
          [
            [1, 2, 3],
            [4, 5, 6],
          ],
        ),
      ),
    );
    expectCode("oip_data_type_mismatch", () => parse(one("INT32", [2, 2], [[1, 2], 3])));
    expectCode("oip_data_type_mismatch", () => parse(one("INT32", [2], [1, [2]])));
    expect(hex(one("INT32", [2, 0], [[], []]))).toBe("");
    expect(hex(one("INT32", [], [7]))).toBe("07000000");
  });

  test("64-bit integers beyond 2^53 are exact", () => {
    expect(values("[9007199254740993, -9223372036854775808,\n9223372036854775807]", "INT64")).toEqual([
      9007199254740993n,
      -9223372036854775808n,
      9223372036854775807n,
    ]);
    expect(
      values(
        "[[18446744073709551615],[0],[1.0]]".replace("[[", "[").replaceAll("],[", ",").replace("]]", "]"),
        "UINT64",
      ),
    ).toEqual([18446744073709551615n, 0n, 1n]);
    for (const bad of [
      "9223372036854775808",
      "1e19",
      "9007199254740993.0",
      "1.5",
      "-1e400",
      "9".repeat(5000),
    ]) {
      expectCode("oip_number_out_of_range", () => parse(integers(`[1,2,${bad}]`, "INT64")));
    }
    expectCode("oip_data_type_mismatch", () =>
      parse(integers('[9007199254740993,2,"9007199254740993"]', "INT64")),
    );
    expectCode("oip_number_out_of_range", () => parse(integers("[1,2,-1]", "UINT64")));
  });

  test.each<[Datatype, unknown]>([
    ["UINT8", 256],
    ["UINT8", -1],
    ["INT8", 128],
    ["UINT16", 65536],
    ["INT16", -32769],
    ["UINT32", 2 ** 32],
    ["INT32", 2 ** 31],
    ["INT32", 0.5],
    ["FP16", 65520],
    ["FP32", 3.5e38],
  ])("%s refuses %d", (datatype, value) => {
    expectCode("oip_number_out_of_range", () => parse(one(datatype, [1], [value])));
  });

  test("a number too large for any double is refused", () => {
    for (const datatype of ["FP16", "FP32", "FP64"]) {
      const text = JSON.stringify(one(datatype, [1], ["@"])).replace('"@"', "1e999");
      expectCode("oip_number_out_of_range", () => parse(text));
    }
  });

  test.each(["BOOL", "UINT8", "INT64", "FP16", "FP32", "FP64", "BYTES"])("%s refuses null", (datatype) => {
    expectCode("oip_data_type_mismatch", () => parse(one(datatype, [1], [null])));
  });

  test("a lone surrogate is no text", () => {
    expectCode("oip_text_invalid", () =>
      parse('{"inputs":[{"name":"x","datatype":"BYTES","shape":[1],"data":["\\ud800"]}]}'),
    );
  });
});

describe("hostile messages", () => {
  const good = one("FP32", [1], [1]);
  test.each<[OipErrorCode, unknown]>([
    ["oip_not_json", "{"],
    ["oip_not_json", '{"inputs":[{"data":[NaN]}]}'],
    ["oip_header_length_invalid", ""],
    ["oip_member_invalid", "[]"],
    ["oip_member_invalid", "null"],
    ["oip_member_missing", {}],
    ["oip_member_unknown", { ...good, extra: 1 }],
    ["oip_member_unknown", '{"__proto__":{},"inputs":[]}'],
    ["oip_member_unknown", one("FP32", [1], [1], { dtype: "FP32" })],
    ["oip_member_invalid", { ...good, id: 7 }],
    ["oip_member_invalid", { ...good, parameters: [] }],
    ["oip_member_invalid", { ...good, parameters: { a: {} } }],
    ["oip_member_invalid", { ...good, parameters: { binary_data_output: 1 } }],
    ["oip_parameter_unsupported", { ...good, parameters: { sequence_id: 1 } }],
    ["oip_parameter_unsupported", one("FP32", [1], [1], { parameters: { shared_memory_region: "r" } })],
    ["oip_member_invalid", { inputs: {} }],
    [
      "oip_too_large",
      { inputs: Array.from({ length: 65 }, (_, i) => ({ ...good.inputs[0], name: `x${i}` })) },
    ],
    ["oip_tensor_duplicate", { inputs: [good.inputs[0], good.inputs[0]] }],
    ["oip_tensor_duplicate", { ...good, outputs: [{ name: "y" }, { name: "y" }] }],
    ["oip_member_missing", { inputs: [{ datatype: "FP32", shape: [1], data: [1] }] }],
    ["oip_member_missing", { inputs: [{ name: "x", datatype: "FP32", shape: [1] }] }],
    ["oip_datatype_unknown", one("fp32", [1], [1])],
    ["oip_datatype_unknown", one("constructor", [1], [1])],
    ["oip_datatype_unsupported", one("BF16", [1], [1])],
    ["oip_shape_invalid", one("FP32", [-1], [1])],
    ["oip_shape_invalid", one("FP32", [1.5], [1])],
    ["oip_shape_invalid", one("FP32", ["1"], [1])],
    ["oip_shape_invalid", one("FP32", [2 ** 20, 2 ** 20], [1])],
    [
      "oip_shape_invalid",
      one(
        "FP32",
        Array.from({ length: 17 }, () => 1),
        [1],
      ),
    ],
    ["oip_data_length_mismatch", one("FP32", [2], [1])],
    ["oip_header_length_invalid", one("FP32", [1], undefined, { parameters: { binary_data_size: 4 } })],
  ])("%s %#", (code, value) => {
    expectCode(code, () => parse(value));
  });

  test("deep nesting ends in a typed error", () => {
    expectCode("oip_too_large", () => parse("[".repeat(1e5) + "]".repeat(1e5)));
    const deep = "[".repeat(1e5) + "]".repeat(1e5);
    expectCode("oip_too_large", () =>
      parse(`{"inputs":[{"name":"x","datatype":"FP32","shape":[2],"data":${deep}}]}`),
    );
    expectCode("oip_too_large", () =>
      parse(`{"inputs":[{"name":"x","datatype":"INT64","shape":[1,1],"data":${deep}}]}`),
    );
  });

  test("no error message quotes the body", () => {
    for (const text of [
      '{"inputs": "hunter2" hunter2',
      '{"inputs":"hunter2"}',
      JSON.stringify(one("FP32", [1], ["hunter2"])),
    ]) {
      try {
        parse(text);
        expect.fail("must not parse");
      } catch (error) {
        expect((error as Error).message).not.toContain("hunter2");
      }
    }
  });

  test("limits hold", () => {
    expectCode("oip_too_large", () =>
      parseInferRequest(new Uint8Array(101).fill(32), undefined, { maxJsonBytes: 100, maxTensors: 1 }),
    );
  });
});

describe("binary data", () => {
  test("tensors take their bytes in order, mixed with JSON ones", () => {
    const [body, length] = message(
      [
        input("FP32", [1], 4),
        { name: "j", datatype: "UINT8", shape: [1], data: [9] },
        input("BYTES", [2], 11),
      ],
      Uint8Array.of(1, 2, 3, 4),
      frameBytes([utf8("ab"), utf8("c")]),
    );
    const { inputs } = parseInferRequest(body, length);
    expect(inputs.map(({ data }) => toHex(data))).toEqual(["01020304", "09", "0200000061620100000063"]);
  });

  test.each<[OipErrorCode, [Uint8Array, number]]>([
    ["oip_binary_size_mismatch", message([input("FP32", [1], 4)], new Uint8Array(3))],
    ["oip_binary_size_mismatch", message([input("FP32", [1], 4)], new Uint8Array(5))],
    ["oip_data_length_mismatch", message([input("FP32", [2], 4)], new Uint8Array(4))],
    ["oip_data_length_mismatch", message([input("BYTES", [2], 4)], new Uint8Array(4))],
    ["oip_binary_invalid", message([input("BYTES", [1], 4)], Uint8Array.of(1, 0, 0, 0))],
    ["oip_binary_invalid", message([input("BYTES", [1], 3)], new Uint8Array(3))],
    ["oip_binary_invalid", message([input("BOOL", [1], 1)], Uint8Array.of(2))],
    ["oip_member_invalid", message([input("FP32", [1], -4)])],
    ["oip_member_invalid", message([input("FP32", [1], "4")], new Uint8Array(4))],
    ["oip_member_invalid", message([input("FP32", [1], 4, { data: [1] })], new Uint8Array(4))],
    ["oip_header_length_invalid", [utf8("{}"), 3]],
    ["oip_header_length_invalid", [utf8("{}"), 0]],
    ["oip_header_length_invalid", [utf8("{}"), 1.5]],
  ])("%s %#", (code, [body, length]) => {
    expectCode(code, () => parseInferRequest(body, length));
  });
});

test("reads millions of empty texts, in either form, in time and memory that fit their size", () => {
  const count = 1_000_000;
  const head = (more: string) => `{"inputs":[{"name":"t","datatype":"BYTES","shape":[${count}],${more}}]}`;
  const json = utf8(head(`"data":[${'"",'.repeat(count - 1)}""]`));
  const header = utf8(head(`"parameters":{"binary_data_size":${4 * count}}`));
  const binary = new Uint8Array(header.length + 4 * count);
  binary.set(header);
  const heldBefore = process.memoryUsage().heapUsed;
  const fromJson = parseInferRequest(json).inputs[0]!.data;
  const fromBinary = parseInferRequest(binary, header.length).inputs[0]!.data;
  expect(Buffer.from(fromJson).equals(fromBinary)).toBe(true);
  // A view of each would take a hundred bytes and more.
  expect(process.memoryUsage().heapUsed - heldBefore).toBeLessThan(100 * count);
});
