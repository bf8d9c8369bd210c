import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "./bytes.ts";
import { encodeCbor } from "./cbor-write.ts";
import { CborError, CborTagged, decodeCbor, type CborErrorCode, type CborValue } from "./cbor.ts";

function decode(hex: string) {
  return decodeCbor(fromHex(hex));
}

describe("values of RFC 8949, appendix A", () => {
  test.each([
    ["00", 0],
    ["17", 23],
    ["1818", 24],
    ["1903e8", 1000],
    ["1a000f4240", 1_000_000],
    ["1b000000e8d4a51000", 1_000_000_000_000],
    ["1bffffffffffffffff", 18446744073709551615n],
    ["3bffffffffffffffff", -18446744073709551616n],
    ["20", -1],
    ["3863", -100],
    ["3903e7", -1000],
    ["f4", false],
    ["f5", true],
    ["f6", null],
    ["40", new Uint8Array(0)],
    ["4401020304", Uint8Array.of(1, 2, 3, 4)],
    ["60", ""],
    ["62c3bc", "ü"],
    ["83010203", [1, 2, 3]],
    ["8301820203820405", [1, [2, 3], [4, 5]]],
    ["c074323031332d30332d32315432303a30343a30305a", new CborTagged(0, "2013-03-21T20:04:00Z")],
    ["a0", new Map()],
    [
      "a201020304",
      new Map([
        [1, 2],
        [3, 4],
      ]),
    ],
    [
      "a26161016162820203",
      new Map<string, unknown>([
        ["a", 1],
        ["b", [2, 3]],
      ]),
    ],
    [
      "a20102613103",
      new Map<unknown, unknown>([
        [1, 2],
        ["1", 3],
      ]),
    ],
  ])("%s", (hex, value) => {
    expect(decode(hex)).toEqual(value);
  });
});

describe("refused", () => {
  const deep = "81".repeat(10) + "00";
  test.each<[string, string, CborErrorCode]>([
    ["nothing at all", "", "cbor_truncated"],
    ["a head cut short", "19ff", "cbor_truncated"],
    ["a string cut short", "4401", "cbor_truncated"],
    ["an array with fewer elements than it says", "9a7fffffff00", "cbor_truncated"],
    ["a map with fewer entries than it says", "a20102", "cbor_truncated"],
    ["a length near 2^64", "5bfffffffffffffff0", "cbor_truncated"],
    ["trailing bytes", "0000", "cbor_not_strict"],
    ["an integer of a byte that fits its head", "1817", "cbor_not_strict"],
    ["an integer of two bytes that fits one", "1900ff", "cbor_not_strict"],
    ["an integer of four bytes that fits two", "1a0000ffff", "cbor_not_strict"],
    ["an integer of eight bytes that fits four", "1b00000000ffffffff", "cbor_not_strict"],
    ["a length that is not shortest", "580100", "cbor_not_strict"],
    ["bytes of indefinite length", "5f4101ff", "cbor_not_strict"],
    ["text of indefinite length", "7f6161ff", "cbor_not_strict"],
    ["an array of indefinite length", "9f01ff", "cbor_not_strict"],
    ["a map of indefinite length", "bf0102ff", "cbor_not_strict"],
    ["a break alone", "ff", "cbor_not_strict"],
    ["a map key twice", "a201020103", "cbor_not_strict"],
    ["a text key twice", "a2616101616102", "cbor_not_strict"],
    ["a map key that is bytes", "a1410102", "cbor_not_strict"],
    ["undefined", "f7", "cbor_not_strict"],
    ["a simple value", "f820", "cbor_not_strict"],
    ["a half float", "f93c00", "cbor_not_strict"],
    ["a double", "fb3ff199999999999a", "cbor_not_strict"],
    ["a reserved head", "1c", "cbor_malformed"],
    ["text that is not UTF-8", "61ff", "cbor_malformed"],
    ["deep nesting", deep, "cbor_limit"],
  ])("%s", (_, hex, code) => {
    expect(() => decode(hex)).toThrow(expect.objectContaining({ name: "CborError", code }));
  });

  test("more bytes or values than allowed", () => {
    const limits = { maxBytes: 4, maxDepth: 2, maxItems: 2 };
    expect(() => decodeCbor(new Uint8Array(5), limits)).toThrow(
      expect.objectContaining({ code: "cbor_limit" }),
    );
    expect(() => decodeCbor(fromHex("820000"), limits)).toThrow(
      expect.objectContaining({ code: "cbor_limit" }),
    );
  });
});

const leaf = fc.oneof(
  fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
  fc.string({ maxLength: 30, unit: "binary" }),
  fc.uint8Array({ maxLength: 300 }),
  fc.constant(null),
);
const { tree } = fc.letrec<{ tree: CborValue }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie("tree"), { maxLength: 6 }),
    fc
      .uniqueArray(fc.tuple(fc.oneof(fc.integer(), fc.string({ unit: "binary" })), tie("tree")), {
        selector: ([key]) => key,
        maxLength: 6,
      })
      .map((entries) => new Map(entries)),
  ),
}));

test("maps are written in the order of their encoded keys", () => {
  const keys = [10, 100, -1, "z", "aa", 265, -65537];
  const map = new Map<number | string, CborValue>(keys.map((key) => [key, null]));
  expect(toHex(encodeCbor(map))).toBe("a70af61864f6190109f620f63a00010000f6617af6626161f6");
  expect(encodeCbor(new Map([...map].toReversed()))).toEqual(encodeCbor(map));
});

test("what CBOR has no head for is refused", () => {
  for (const value of [1n << 64n, -(1n << 64n) - 1n, 0.5, Number.NaN]) {
    expect(() => encodeCbor(value)).toThrow(RangeError);
  }
});

test("decoding undoes encoding", () => {
  fc.assert(
    fc.property(tree, (value) => {
      expect(decodeCbor(encodeCbor(value))).toEqual(value);
    }),
  );
});

test("an accepted value has one encoding: no other bytes give it", () => {
  fc.assert(
    fc.property(tree, fc.nat(), fc.integer({ min: 1, max: 255 }), (value, at, change) => {
      const bytes = encodeCbor(value);
      const changed = bytes.slice();
      changed[at % bytes.length]! ^= change;
      let decoded;
      try {
        decoded = decodeCbor(changed);
      } catch (error) {
        expect(error).toBeInstanceOf(CborError);
        return;
      }
      expect(decoded).not.toEqual(value);
    }),
  );
});

test("any bytes decode or are refused by code", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      try {
        decodeCbor(bytes);
      } catch (error) {
        if (!(error instanceof CborError)) throw error;
      }
    }),
    { numRuns: 10_000 },
  );
});
