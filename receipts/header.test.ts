import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { concat, fromBase64Url, toBase64Url } from "../codec/index.ts";
import { arbitraryStatement, bytes } from "./arbitrary.test-support.ts";
import { LEAF_TYPES, LOGGED_TYPES } from "./fields.ts";
import { encodeReceiptHeader, parseReceiptHeader } from "./header.ts";
import { encodeStatement } from "./statements.ts";

const refusal = (code: string) => expect.objectContaining({ name: "ReceiptError", code });

describe.each(LOGGED_TYPES)("the header form of %s", (type) => {
  it("comes back", () => {
    fc.assert(
      fc.property(arbitraryStatement(type), bytes(65), (statement, signature) => {
        const words = encodeStatement(type, statement);
        const text = encodeReceiptHeader({ type, words, signature });
        expect(parseReceiptHeader(text)).toEqual({ type, statement, words, signature });
        expect([...fromBase64Url(text).subarray(0, 2)]).toEqual([1, LEAF_TYPES[type]]);
      }),
      { numRuns: 30 },
    );
  });
});

describe("parseReceiptHeader", () => {
  const [statement] = fc.sample(arbitraryStatement("Keyset"), { numRuns: 1, seed: 3 });
  const words = encodeStatement("Keyset", statement!);
  const raw = concat(Uint8Array.of(1, LEAF_TYPES.Keyset), words, new Uint8Array(65));

  it("refuses other versions, types, lengths and alphabets", () => {
    const version = Uint8Array.from(raw).fill(2, 0, 1);
    expect(() => parseReceiptHeader(toBase64Url(version))).toThrow(refusal("format_version_unknown"));
    const wrong = [
      "",
      "AQ",
      toBase64Url(raw.subarray(0, raw.length - 1)),
      toBase64Url(concat(raw, Uint8Array.of(0))),
      toBase64Url(Uint8Array.from(raw).fill(LEAF_TYPES.Revocation, 1, 2)),
      toBase64Url(Uint8Array.from(raw).fill(4, 1, 2)),
      toBase64Url(Uint8Array.from(raw).fill(200, 1, 2)),
      `${toBase64Url(raw)}=`,
      ` ${toBase64Url(raw)}`,
      "!".repeat(40),
      "A".repeat(5000),
    ];
    for (const text of wrong) expect(() => parseReceiptHeader(text)).toThrow(refusal("header_invalid"));
  });

  it("refuses padding that is not zero", () => {
    const padded = raw.slice();
    padded[2 + 96] = 1;
    expect(() => parseReceiptHeader(toBase64Url(padded))).toThrow(refusal("statement_invalid"));
  });

  it("is not made for what has no header form or another length", () => {
    const signature = new Uint8Array(65);
    expect(() => encodeReceiptHeader({ type: "Checkpoint" as never, words, signature })).toThrow(
      refusal("header_invalid"),
    );
    expect(() => encodeReceiptHeader({ type: "Aborted", words, signature })).toThrow(
      refusal("header_invalid"),
    );
    expect(() => encodeReceiptHeader({ type: "Keyset", words, signature: signature.subarray(1) })).toThrow(
      refusal("header_invalid"),
    );
  });
});
