import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromHex, toHex } from "../../codec/index.ts";
import { boolean, integer, oid, sequence, time } from "../attest/der-write.ts";
import { daysSince1970, DerError, DerReader, TAG } from "./der.ts";

function reader(hex: string): DerReader {
  return new DerReader(fromHex(hex));
}

describe("what is not DER", () => {
  test.each<[string, string, (r: DerReader) => unknown, string]>([
    ["nothing", "", (r) => r.any(), "der_truncated"],
    ["a tag alone", "02", (r) => r.any(), "der_truncated"],
    ["content cut short", "020201", (r) => r.any(), "der_truncated"],
    ["a length cut short", "0282", (r) => r.any(), "der_truncated"],
    ["an indefinite length", "3080020100", (r) => r.any(), "der_length"],
    ["a length of four bytes", "028400000001ff", (r) => r.any(), "der_length"],
    ["a long length that fits the short form", "02810101", (r) => r.any(), "der_length"],
    ["a long length with a leading zero", `02820080${"00".repeat(128)}`, (r) => r.any(), "der_length"],
    ["a tag of several bytes", "1f8100", (r) => r.any(), "der_tag"],
    ["another tag", "0400", (r) => r.value(TAG.integer), "der_tag"],
    ["an empty INTEGER", "0200", (r) => r.integer(), "der_value"],
    ["an INTEGER with a leading zero", "02020001", (r) => r.integer(), "der_value"],
    ["an INTEGER with a leading FF", "0202ff80", (r) => r.integer(), "der_value"],
    ["a negative small INTEGER", "0201ff", (r) => r.smallInteger(), "der_value"],
    ["a large small INTEGER", "02050100000000", (r) => r.smallInteger(), "der_value"],
    ["a BOOLEAN of 1", "010101", (r) => r.boolean(), "der_value"],
    ["a BOOLEAN of two bytes", "0102ffff", (r) => r.boolean(), "der_value"],
    ["a BIT STRING without a count", "0300", (r) => r.bits(), "der_value"],
    ["a BIT STRING of 8 unused bits", "03020800", (r) => r.bits(), "der_value"],
    ["an empty BIT STRING with unused bits", "030101", (r) => r.bits(), "der_value"],
    ["a BIT STRING with unused bits set", "030201ff", (r) => r.bits(), "der_value"],
    ["a BIT STRING not of whole bytes", "030201fe", (r) => r.wholeBits(), "der_value"],
    ["an empty OID", "0600", (r) => r.oid(), "der_value"],
    ["an OID that stops midway", "06022a86", (r) => r.oid(), "der_value"],
    ["an OID with a padded arc", "06032a8001", (r) => r.oid(), "der_value"],
    ["an OID with a huge arc", "060c2affffffffffffffffffff7f", (r) => r.oid(), "der_value"],
    ["an OID that is too long", `0621${"01".repeat(33)}`, (r) => r.oid(), "der_value"],
    ["a time without seconds", "170b323630313031303030305a", (r) => r.timeSeconds(), "der_value"],
    ["a time in a zone", "17113236303130313030303030302b30303030", (r) => r.timeSeconds(), "der_value"],
    ["month 13", "170d3236313330313030303030305a", (r) => r.timeSeconds(), "der_value"],
    ["the 29th of February 2026", "170d3236303232393030303030305a", (r) => r.timeSeconds(), "der_value"],
    ["hour 24", "170d3236303130313234303030305a", (r) => r.timeSeconds(), "der_value"],
    [
      "a time with a sign",
      "170d2d3130313031303030303030 5a".replace(" ", ""),
      (r) => r.timeSeconds(),
      "der_value",
    ],
  ])("%s", (_name, hex, read, code) => {
    expect(() => read(reader(hex))).toThrow(expect.objectContaining({ name: "DerError", code }));
  });

  test("bytes after the end", () => {
    const outer = reader("020100ff");
    outer.any();
    expect(() => outer.finish()).toThrow(expect.objectContaining({ code: "der_trailing" }));
  });

  test("a value that is longer than what holds it", () => {
    const inner = reader("30030204ffffffff").enter();
    expect(() => inner.any()).toThrow(expect.objectContaining({ code: "der_truncated" }));
  });
});

describe("what is written is read", () => {
  test("INTEGERs", () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0x7fff_ffff }), (value) => {
        expect(new DerReader(integer(value)).smallInteger()).toBe(value);
      }),
    );
  });

  test("OBJECT IDENTIFIERs", () => {
    for (const dotted of ["1.2.840.113741.1.13.1.2.18", "2.5.29.15", "0.9.2342", "2.16.840.1.101.3.4.2.2"]) {
      expect(new DerReader(oid(dotted)).oid()).toBe(dotted);
    }
  });

  test("times, against Date", () => {
    const range = {
      min: new Date("1950-01-01T00:00:00Z"),
      max: new Date("9999-12-31T23:59:59Z"),
      noInvalidDate: true,
    };
    fc.assert(
      fc.property(fc.date(range), (date) => {
        const seconds = Math.floor(date.getTime() / 1000);
        expect(new DerReader(time(date)).timeSeconds()).toBe(seconds);
      }),
    );
  });

  test("days, against Date", () => {
    for (let day = -200_000; day < 200_000; day += 37) {
      const date = new Date(day * 86_400_000);
      expect(daysSince1970(date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate())).toBe(day);
    }
  });

  test("long sequences", () => {
    for (const count of [0, 42, 43, 85, 86, 100, 22_000]) {
      const bytes = sequence(...Array.from({ length: count }, () => boolean(true)));
      const inside = new DerReader(bytes).enter();
      let read = 0;
      for (; !inside.done; read++) expect(inside.boolean()).toBe(true);
      expect(read).toBe(count);
    }
  });
});

test("any bytes are read or refused, and every read moves on", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      const input = new DerReader(bytes);
      try {
        for (let steps = 0; !input.done; steps++) {
          expect(steps).toBeLessThan(bytes.length);
          const value = input.any();
          expect(toHex(input.bytesOf(value)).endsWith(toHex(input.contentOf(value)))).toBe(true);
        }
      } catch (error) {
        expect(error).toBeInstanceOf(DerError);
      }
    }),
    { numRuns: 2000 },
  );
});
