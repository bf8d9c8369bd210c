import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concat, fromHex, toHex, utf8 } from "../codec/index.ts";
import { encodeBinaryResponse, parseBinaryRequest, SealingError, type BinaryRequest } from "./index.ts";
import { encodeVarint, Reader } from "./varint.ts";

const refused = expect.objectContaining({ name: "SealingError", code: "bhttp_invalid" });
const block = (bytes: Uint8Array): Uint8Array => concat(encodeVarint(bytes.length), bytes);

function control({ method, scheme, authority, path }: BinaryRequest): Uint8Array {
  return concat(...[method, scheme, authority, path].map((text) => block(utf8(text))));
}

const lines = ({ fields }: BinaryRequest): Uint8Array =>
  concat(...fields.flatMap(([name, value]) => [block(utf8(name)), block(utf8(value))]));

function known(request: BinaryRequest): Uint8Array {
  return concat(
    Uint8Array.of(0),
    control(request),
    block(lines(request)),
    block(request.content),
    Uint8Array.of(0),
  );
}

function indeterminate(request: BinaryRequest, chunkBytes: number): Uint8Array {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < request.content.length; at += chunkBytes)
    chunks.push(block(request.content.subarray(at, at + chunkBytes)));
  const end = Uint8Array.of(0);
  return concat(Uint8Array.of(2), control(request), lines(request), end, ...chunks, end, end);
}

const request = fc.record<BinaryRequest>({
  method: fc.constantFrom("GET", "POST"),
  scheme: fc.constant("https"),
  authority: fc.constantFrom("", "example.com:8443"),
  path: fc.webPath().map((path) => (path.startsWith("/") ? path : `/${path}`)),
  fields: fc.array(
    fc.tuple(fc.stringMatching(/^[a-z][a-z0-9-]{0,20}$/), fc.stringMatching(/^[!-~]{0,40}$/)),
    {
      maxLength: 5,
    },
  ),
  content: fc.uint8Array({ maxLength: 300 }),
});

const SAMPLE: BinaryRequest = {
  method: "POST",
  scheme: "https",
  authority: "a.example",
  path: "/v1?x=1",
  fields: [["content-type", "text/plain"]],
  content: utf8("hello"),
};

describe("binary HTTP requests", () => {
  it("are read in both framings", () => {
    fc.assert(
      fc.property(request, fc.integer({ min: 1, max: 100 }), (given, chunkBytes) => {
        expect(parseBinaryRequest(known(given))).toEqual(given);
        expect(parseBinaryRequest(indeterminate(given, chunkBytes))).toEqual(given);
      }),
    );
  });

  it("are read as RFC 9292 section 5.1 shows one", () => {
    const found = parseBinaryRequest(
      fromHex(
        "0003474554056874747073000a2f68656c6c6f2e747874406c0a757365722d6167656e74346375726c2f372e31362e33206c" +
          "69626375726c2f372e31362e33204f70656e53534c2f302e392e376c207a6c69622f312e322e3304686f73740f7777772e65" +
          "78616d706c652e636f6d0f6163636570742d6c616e67756167650665" +
          "6e2c206d690000",
      ),
    );
    expect(found).toEqual({
      method: "GET",
      scheme: "https",
      authority: "",
      path: "/hello.txt",
      fields: [
        ["user-agent", "curl/7.16.3 libcurl/7.16.3 OpenSSL/0.9.7l zlib/1.2.3"],
        ["host", "www.example.com"],
        ["accept-language", "en, mi"],
      ],
      content: new Uint8Array(0),
    });
  });

  it("may leave out what is empty at their end, and be padded with zeros", () => {
    const bare = concat(Uint8Array.of(0), control(SAMPLE));
    const empty = { ...SAMPLE, fields: [], content: new Uint8Array(0) };
    expect(parseBinaryRequest(bare)).toEqual(empty);
    expect(parseBinaryRequest(concat(bare, new Uint8Array(50)))).toEqual(empty);
    expect(parseBinaryRequest(concat(known(SAMPLE), new Uint8Array(50)))).toEqual(SAMPLE);
    expect(() => parseBinaryRequest(concat(known(SAMPLE), Uint8Array.of(0, 1)))).toThrow(refused);
  });

  it("are refused when a part is cut, of another kind or not HTTP", () => {
    const cases: Partial<Record<keyof BinaryRequest, unknown>>[] = [
      { method: "G T" },
      { method: "" },
      { scheme: "ht tp" },
      { authority: "a b" },
      { path: "v1" },
      { path: "/a b" },
      { path: "/\u00e4" },
      { fields: [["Upper", "x"]] },
      { fields: [["", "x"]] },
      { fields: [[":path", "x"]] },
      { fields: [["a", "x\r\nb: c"]] },
      { fields: [["a", " x"]] },
      { fields: [["a", "\u00e4"]] },
      { fields: Array.from({ length: 129 }, () => ["a", "b"]) },
      { fields: [["a", "x".repeat(65_537)]] },
    ];
    for (const change of cases)
      expect(() => parseBinaryRequest(known({ ...SAMPLE, ...change } as BinaryRequest))).toThrow(refused);
    for (const framing of [1, 3, 4, 63])
      expect(() => parseBinaryRequest(concat(Uint8Array.of(framing), known(SAMPLE).subarray(1)))).toThrow(
        refused,
      );
    expect(() => parseBinaryRequest(known(SAMPLE).subarray(0, 12))).toThrow(refused);
    const many = new Uint8Array(2 * 65_537).map((_, i) => (i % 2 === 0 ? 1 : 7));
    const chunked = concat(Uint8Array.of(2), control(SAMPLE), Uint8Array.of(0), many, Uint8Array.of(0, 0));
    expect(() => parseBinaryRequest(chunked)).toThrow(refused);
  });

  it("made of garbage throw nothing else", () => {
    const mutated = fc
      .tuple(fc.constantFrom(known(SAMPLE), indeterminate(SAMPLE, 2)), fc.nat(), fc.nat(255))
      .map(([bytes, at, byte]) => Uint8Array.from(bytes, (old, i) => (i === at % bytes.length ? byte : old)));
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 200 }), mutated), (bytes) => {
        try {
          parseBinaryRequest(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(SealingError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe("binary HTTP answers", () => {
  it("have the layout of RFC 9292 section 3.1", () => {
    const bytes = encodeBinaryResponse({ status: 200, fields: [["a", "b"]], content: utf8("hi") });
    expect(toHex(bytes)).toBe("0140c8040161016202686900");
  });
});

const read = (hex: string): number => new Reader(fromHex(hex)).varint();

describe("variable-length integers", () => {
  it("are those of RFC 9000 appendix A.1", () => {
    expect([read("25"), read("4025"), read("7bbd"), read("9d7f3e7d")]).toEqual([37, 37, 15_293, 494_878_333]);
    expect(() => read("c2197c5eff14e88c")).toThrow(refused);
    for (const value of [0, 63, 64, 16_383, 16_384, 2 ** 30 - 1])
      expect(new Reader(encodeVarint(value)).varint()).toBe(value);
    for (const outside of [-1, 2 ** 30, 0.5]) expect(() => encodeVarint(outside)).toThrow(RangeError);
  });
});
