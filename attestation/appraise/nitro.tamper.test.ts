/**
 * Every field of a Nitro document, flipped, cut, stretched, swapped and left out, after it was signed. What is to happen
 * is told by field name: a field that the table has and this file does not, fails the run.
 */
import * as fc from "fast-check";
import { expect, test } from "vitest";
import { concat, toHex, utf8 } from "../../codec/index.ts";
import type { Appraisal } from "../index.ts";
import { NITRO_FIELDS } from "../parse/nitro.ts";
import { appraiseTestNitro, fastestMs } from "../testing/appraise.ts";
import { testCertificate, testKey } from "../testing/certificates.ts";
import {
  encodeCbor,
  TEST_NITRO_TIME,
  testNitroDocument,
  testNitroFields,
  type TestCbor,
} from "../testing/nitro.ts";

const good = testNitroDocument();
const otherKey = testKey("i-0123456789abcdef0-enc0123456789abcdef.test", "p384");
const otherRoot = testKey("test.nitro-enclaves", "p384");
const otherZone = testKey("zone.test.nitro-enclaves", "p384");
const nines = new Uint8Array(48).fill(0x99);

/** Another good document's values. */
const OTHER: Record<string, TestCbor> = {
  module_id: "i-other",
  timestamp: TEST_NITRO_TIME.getTime() + 1000,
  pcrs: new Map<number | string, TestCbor>(Array.from({ length: 16 }, (_, index) => [index, nines])),
  certificate: testCertificate({ subject: otherKey, issuer: otherZone, keyUsage: 0x80 }),
  cabundle: [testCertificate({ subject: otherRoot, issuer: otherRoot, authority: true, keyUsage: 6 })],
  public_key: nines,
  user_data: nines,
  nonce: nines,
};

const signed = {
  flip: "document_signature_invalid",
  cut: "document_signature_invalid",
  stretch: "document_signature_invalid",
  swap: "document_signature_invalid",
};
const EXPECTED: Record<
  (typeof NITRO_FIELDS)[number]["name"],
  { flip: string; cut: string; stretch: string; swap: string | undefined }
> = {
  module_id: signed,
  // One byte more is a time beyond the year 10000.
  timestamp: { ...signed, stretch: "document_malformed" },
  // No other value of the digest is a good one.
  digest: {
    flip: "document_malformed",
    cut: "document_malformed",
    stretch: "document_malformed",
    swap: undefined,
  },
  pcrs: { ...signed, cut: "document_malformed", stretch: "document_malformed" },
  certificate: {
    flip: "certificate_signature_invalid",
    cut: "certificate_malformed",
    stretch: "certificate_malformed",
    swap: "certificate_signature_invalid",
  },
  cabundle: {
    flip: "certificate_signature_invalid",
    cut: "certificate_malformed",
    stretch: "certificate_malformed",
    swap: "certificate_untrusted_root",
  },
  public_key: signed,
  user_data: signed,
  nonce: signed,
};

function flipLast(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte, at) => (at === bytes.length - 1 ? byte ^ 1 : byte));
}

function cutLast(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(0, -1);
}

function stretched(bytes: Uint8Array): Uint8Array {
  return concat(bytes, Uint8Array.of(0x31));
}

/** Applies a change of bytes to the value, or to the last of its byte strings. */
function changed(value: TestCbor, change: (bytes: Uint8Array) => Uint8Array): TestCbor {
  if (typeof value === "number")
    return Number.parseInt(toHex(change(Uint8Array.of(0, 0, ...bigEndian(value)))), 16);
  if (typeof value === "string") return String.fromCharCode(...change(utf8(value)));
  if (value instanceof Uint8Array) return change(value);
  if (Array.isArray(value)) return [...value.slice(0, -1), changed(value.at(-1)!, change)];
  const entries = [...(value as Map<number, TestCbor>)];
  const [index, last] = entries.at(-1)!;
  return new Map<number | string, TestCbor>([...entries.slice(0, -1), [index, changed(last, change)]]);
}

function bigEndian(value: number): number[] {
  return Array.from({ length: 6 }, (_, i) => Math.floor(value / 256 ** (5 - i)) % 256);
}

const signature = good.subarray(-96);
const frame = good.subarray(0, good.indexOf(0xa0) + 1);

/** The good document's header and signature around another payload. */
function resealed(fields: Map<string, TestCbor>): string {
  return appraiseTestNitro(concat(frame, encodeCbor(encodeCbor(fields)), encodeCbor(signature))).code;
}

const seen = new Set<string>();

test.each(NITRO_FIELDS.map(({ name }) => name))("%s", (name) => {
  const value = testNitroFields().get(name)!;
  const expected = EXPECTED[name];
  expect(resealed(testNitroFields())).toBe("ok");
  expect(resealed(testNitroFields().set(name, changed(value, flipLast))), "flip").toBe(expected.flip);
  expect(resealed(testNitroFields().set(name, changed(value, cutLast))), "cut").toBe(expected.cut);
  expect(resealed(testNitroFields().set(name, changed(value, stretched))), "stretch").toBe(expected.stretch);
  if (expected.swap === undefined) expect(OTHER[name]).toBeUndefined();
  else expect(resealed(testNitroFields().set(name, OTHER[name]!)), "swap").toBe(expected.swap);
  const without = testNitroFields();
  without.delete(name);
  const { optional } = NITRO_FIELDS.find((field) => field.name === name)!;
  expect(resealed(without), "left out").toBe(optional ? "document_signature_invalid" : "document_malformed");
  seen.add(name);
});

test("no field is left out", () => {
  expect([...seen].sort()).toEqual(NITRO_FIELDS.map(({ name }) => name).sort());
});

test("every bit of the signature counts", () => {
  for (let at = good.length - 96; at < good.length; at++) {
    const flipped = good.slice();
    flipped[at]! ^= 1;
    expect(appraiseTestNitro(flipped).code).toBe("document_signature_invalid");
  }
});

test("changed documents are rejected by code, quickly, and never throw", () => {
  const change = fc.record({
    at: fc.nat(),
    bytes: fc.uint8Array({ maxLength: 6 }),
    removed: fc.nat({ max: 6 }),
  });
  fc.assert(
    fc.property(change, ({ at, bytes, removed }) => {
      const start = at % good.length;
      const document = concat(good.subarray(0, start), bytes, good.subarray(start + removed));
      fc.pre(toHex(document) !== toHex(good));
      let result: Appraisal | undefined;
      expect(fastestMs(() => void (result = appraiseTestNitro(document)), 100)).toBeLessThan(100);
      expect(result).toMatchObject({ verdict: "rejected", code: expect.stringMatching(/^[a-z_]+$/) });
    }),
    { numRuns: 10_000 },
  );
}, 120_000);
