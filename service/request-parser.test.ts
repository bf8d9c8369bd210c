import { describe, expect, test } from "vitest";
import { concat, fromHex, utf8 } from "../codec/index.ts";
import { encodeInferRequest, parseInferRequest, type InferRequest } from "../models/client.ts";
import type { Tensor } from "../receipts/index.ts";
import { RequestParser, type Unparsed } from "./request-parser.ts";

const ELEMENTS = 200_000;
const text: Tensor = {
  name: "t",
  datatype: "FP32",
  shape: [ELEMENTS],
  data: new Uint8Array(Float32Array.from({ length: ELEMENTS }, (_, i) => i / 3).buffer),
};

function unparsed(body: Uint8Array, more: Partial<Unparsed> = {}): Unparsed {
  return { body, headerLength: undefined, signal: new AbortController().signal, ...more };
}

/** JSON that takes its time to read. */
function manyNumbers(count: number): Uint8Array {
  return utf8(`{"inputs":[{"name":"x","datatype":"FP32","shape":[1],"data":[${"0.5,".repeat(count)}1]}]}`);
}

/** The longest that a timer of this thread was kept waiting meanwhile. */
async function longestPauseMs(work: () => Promise<unknown>): Promise<number> {
  let last = performance.now();
  let longest = 0;
  const look = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
  };
  const timer = setInterval(look, 1);
  await work();
  look();
  clearInterval(timer);
  return longest;
}

describe("long infer requests", () => {
  test("are read as short ones are", async () => {
    const parser = new RequestParser();
    const json = encodeInferRequest({ inputs: [text], id: "x" }).body;
    const expected: InferRequest = parseInferRequest(json);
    // Twice, and as a view into something longer: nothing of the caller's is taken away.
    const longer = new Uint8Array(json.length + 20);
    longer.set(json, 10);
    const body = longer.subarray(10, 10 + json.length);
    for (let i = 0; i < 2; i++) expect(await parser.parse(unparsed(body))).toEqual(expected);

    const mixed = utf8(
      `{"inputs":[{"name":"a","datatype":"FP32","shape":[2],"parameters":{"binary_data_size":8}},` +
        `{"name":"b","datatype":"UINT8","shape":[3],"parameters":{"binary_data_size":3}}]${" ".repeat(300_000)}}`,
    );
    const whole = concat(mixed, fromHex("0102030405060708aabbcc"));
    const given = unparsed(whole, { headerLength: mixed.length });
    expect(await parser.parse(given)).toEqual(parseInferRequest(whole, mixed.length));
  });

  test("are refused as short ones are", async () => {
    const parser = new RequestParser();
    const body = utf8(" ".repeat(300_000) + "{");
    await expect(parser.parse(unparsed(body))).rejects.toMatchObject({
      name: "OipError",
      code: "oip_not_json",
    });
  });

  test("do not hold this thread up", { timeout: 60_000 }, async () => {
    const parser = new RequestParser();
    const body = manyNumbers(4_000_000);
    const wrongLength = expect.objectContaining({ code: "oip_data_length_mismatch" });
    const inline = await longestPauseMs(async () => {
      expect(() => parseInferRequest(body)).toThrow(wrongLength);
    });
    const pause = await longestPauseMs(() =>
      expect(parser.parse(unparsed(body))).rejects.toThrow(wrongLength),
    );
    expect(pause).toBeLessThan(inline / 2);
  });

  test("are given up when their caller goes away, running or waiting", { timeout: 60_000 }, async () => {
    const parser = new RequestParser();
    const gone = new AbortController();
    const running = parser.parse(unparsed(manyNumbers(4_000_000), { signal: gone.signal }));
    const waiting = parser.parse(unparsed(manyNumbers(4_000_000), { signal: gone.signal }));
    const settled = Promise.allSettled([running, waiting]);
    setTimeout(() => gone.abort(new Error("gone")), 20);
    for (const result of await settled) expect(result).toMatchObject({ reason: { message: "gone" } });
    const json = encodeInferRequest({ inputs: [text] }).body;
    expect((await parser.parse(unparsed(json))).inputs).toHaveLength(1);
  });
});
