import { describe, expect, test } from "vitest";
import { concat, toHex, utf8 } from "../../codec/index.ts";
import { der, pem, sequence } from "../attest/der-write.ts";
import { testCertificate, testExtension, testKey } from "../testing/certificates.ts";
import { encodeCbor, testNitroDocument, testNitroFields, TestRaw, type TestCbor } from "../testing/nitro.ts";
import { nitroDocumentBytes, nitroDocumentOfCertificate, NITRO_FIELDS, parseNitroDocument } from "./nitro.ts";

const MALFORMED = expect.objectContaining({ name: "AttestationError", code: "document_malformed" });

test("a document has its fields, tagged or not, in any order", () => {
  const forwards = parseNitroDocument(testNitroDocument());
  const reversed = new Map([...testNitroFields()].toReversed());
  const backwards = parseNitroDocument(testNitroDocument(reversed, { tagged: true }));
  expect({ ...backwards, cose: forwards.cose }).toEqual(forwards);
  expect(backwards.cose.tagged).toBe(true);
  expect(forwards).toMatchObject({ digest: "SHA384", moduleId: "i-0123456789abcdef0-enc0123456789abcdef" });
  expect(forwards.pcrs.size).toBe(16);
  expect(forwards.cabundle).toHaveLength(3);
  expect([...testNitroFields().keys()].sort()).toEqual(NITRO_FIELDS.map(({ name }) => name).sort());
});

function bytes(length: number): Uint8Array {
  return new Uint8Array(length);
}

const pcrs = (...entries: [number | string, TestCbor][]) => new Map<number | string, TestCbor>(entries);

/** Values at and beyond the bounds of each field; `undefined` leaves the field out. */
const VALUES: Record<
  (typeof NITRO_FIELDS)[number]["name"],
  { good: (TestCbor | undefined)[]; bad: (TestCbor | undefined)[] }
> = {
  module_id: { good: ["i", "i".repeat(1024)], bad: [undefined, null, "", "i".repeat(1025), 1, bytes(4)] },
  timestamp: {
    good: [1, 253_402_300_799_999],
    bad: [undefined, null, 0, -1, 253_402_300_800_000, 2 ** 53, "1", bytes(8)],
  },
  digest: { good: ["SHA384"], bad: [undefined, null, "", "SHA256", "SHA512", "sha384", 384] },
  pcrs: {
    good: [pcrs([0, bytes(48)]), pcrs([0, bytes(32)], [31, bytes(64)])],
    bad: [
      undefined,
      null,
      pcrs(),
      [bytes(48)],
      pcrs([32, bytes(48)]),
      pcrs([-1, bytes(48)]),
      pcrs(["0", bytes(48)]),
      pcrs([0, bytes(47)]),
      pcrs([0, bytes(0)]),
      pcrs([0, null]),
      new TestRaw(0xa2, 0x00, 0x40, 0x00, 0x40),
    ],
  },
  certificate: {
    good: [bytes(1), bytes(1024)],
    bad: [undefined, null, bytes(0), bytes(1025), "x", [bytes(1)]],
  },
  cabundle: {
    good: [[bytes(1)], Array.from({ length: 5 }, () => bytes(1024))],
    bad: [
      undefined,
      null,
      [],
      bytes(1),
      [bytes(0)],
      [bytes(1025)],
      ["x"],
      Array.from({ length: 6 }, () => bytes(1)),
    ],
  },
  public_key: { good: [undefined, null, bytes(1), bytes(1024)], bad: [bytes(0), bytes(1025), "x", 1] },
  user_data: { good: [undefined, null, bytes(0), bytes(1024)], bad: [bytes(1025), "x", 1, [bytes(1)]] },
  nonce: { good: [undefined, null, bytes(0), bytes(1024)], bad: [bytes(1025), "x", 1, new Map()] },
};

function withValue(name: string, value: TestCbor | undefined): Uint8Array {
  const fields = testNitroFields();
  if (value === undefined) fields.delete(name);
  else fields.set(name, value);
  return testNitroDocument(fields);
}

describe.each(NITRO_FIELDS.map(({ name }) => name))("%s", (name) => {
  test.each(VALUES[name].good.map((value, index) => [index, value] as const))("good value %i", (_, value) => {
    expect(() => parseNitroDocument(withValue(name, value))).not.toThrow();
  });

  test.each(VALUES[name].bad.map((value, index) => [index, value] as const))("bad value %i", (_, value) => {
    expect(() => parseNitroDocument(withValue(name, value))).toThrow(MALFORMED);
  });
});

describe("refused", () => {
  const good = encodeCbor(testNitroFields());
  const extra = new Map([...testNitroFields(), ["extra", 1] as const]);
  const twice = concat(Uint8Array.of(good[0]! + 1), good.subarray(1), encodeCbor("nonce"), encodeCbor(null));
  const indefinite = concat(Uint8Array.of(0xbf), good.subarray(1), Uint8Array.of(0xff));

  test.each<[string, Uint8Array]>([
    ["an unknown field", testNitroDocument(extra)],
    ["a field twice", testNitroDocument(twice)],
    ["a map of indefinite length", testNitroDocument(indefinite)],
    ["bytes after the map", testNitroDocument(concat(good, Uint8Array.of(0)))],
    ["a payload that is no map", testNitroDocument(encodeCbor([1, 2]))],
    ["an empty payload", testNitroDocument(new Uint8Array(0))],
    ["a payload of 16 KiB and a byte", testNitroDocument(new Uint8Array(16_385))],
    ["bytes after the document", concat(testNitroDocument(), Uint8Array.of(0))],
    ["another tag", concat(Uint8Array.of(0xd1), testNitroDocument())],
    ["two tags", concat(Uint8Array.of(0xd2, 0xd2), testNitroDocument())],
    ["another algorithm", testNitroDocument(good, { protectedHeader: new Map([[1, -7]]) })],
    ["no algorithm", testNitroDocument(good, { protectedHeader: new Map() })],
    [
      "two header parameters",
      testNitroDocument(good, {
        protectedHeader: new Map([
          [1, -35],
          [4, 1],
        ]),
      }),
    ],
    ["a header that is no map", testNitroDocument(good, { protectedHeader: [1, -35] })],
    ["an unprotected header", testNitroDocument(good, { unprotected: new Map([[1, -35]]) })],
    ["an unprotected header that is no map", testNitroDocument(good, { unprotected: [] })],
    ["an array of three", encodeCbor([new Uint8Array(4), new Map(), good])],
    ["a short signature", encodeCbor([encodeCbor(new Map([[1, -35]])), new Map(), good, new Uint8Array(95)])],
    [
      "a detached payload",
      encodeCbor([encodeCbor(new Map([[1, -35]])), new Map(), null, new Uint8Array(96)]),
    ],
    ["nothing", new Uint8Array(0)],
  ])("%s", (_, document) => {
    expect(() => parseNitroDocument(document)).toThrow(MALFORMED);
  });
});

function dnsName(text: string): Uint8Array {
  return der(0x82, utf8(text));
}

describe("documents in certificates", () => {
  const key = testKey("envelope", "p384");
  const document = testNitroDocument();
  const envelope = (...names: Uint8Array[]) =>
    testCertificate({
      subject: key,
      issuer: key,
      extensions: [testExtension("2.5.29.17", sequence(...names))],
    });
  const carried = dnsName(`${toHex(document)}.example.org`);
  const good = envelope(dnsName("example.org"), carried);

  test("DER and PEM", () => {
    expect(nitroDocumentOfCertificate(good)).toEqual(document);
    expect(nitroDocumentBytes(good)).toEqual({ bytes: document, inCertificate: true });
    expect(nitroDocumentBytes(utf8(pem("CERTIFICATE", good)))).toEqual({
      bytes: document,
      inCertificate: true,
    });
    expect(nitroDocumentBytes(document)).toEqual({ bytes: document, inCertificate: false });
  });

  test.each([
    ["without alternative names", testCertificate({ subject: key, issuer: key })],
    ["with host names alone", envelope(dnsName("example.org"))],
    ["with a long label that is no document", envelope(dnsName("ab".repeat(600)))],
    ["with a long label that is no hex", envelope(dnsName(`84${"x".repeat(600)}`))],
    ["with two documents", envelope(carried, carried)],
    ["cut short", good.subarray(0, 100)],
    ["in broken PEM", utf8("-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n")],
    ["in PEM that is not UTF-8", Uint8Array.of(0x2d, 0xff)],
  ])("%s", (_, evidence) => {
    expect(() => nitroDocumentBytes(evidence)).toThrow(MALFORMED);
  });
});
