import * as fc from "fast-check";
import { hashTypedData } from "viem";
import { describe, expect, it } from "vitest";
import { toHex0x } from "../codec/index.ts";
import { arbitraryStatement, tamper } from "./arbitrary.test-support.ts";
import type { Field, StatementType } from "./fields.ts";
import { LEAF_TYPES, STATEMENT_FIELDS, STATEMENT_TYPES } from "./fields.ts";
import { decodeStatement, encodeStatement, statementDigest, typeString, wordsDigest } from "./statements.ts";

function viemDigest(type: StatementType, fields: object): string {
  const members: readonly Field[] = STATEMENT_FIELDS[type];
  const message = Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      value instanceof Uint8Array ? toHex0x(value) : value,
    ]),
  );
  return hashTypedData({
    domain: { name: "Affidavit", version: "1" },
    types: { [type]: [...members] },
    primaryType: type,
    message,
  });
}

const refusal = (code: string) => expect.objectContaining({ name: "ReceiptError", code });

describe.each(STATEMENT_TYPES)("%s", (type) => {
  const members: readonly Field[] = STATEMENT_FIELDS[type];

  it("has the digest that viem's hashTypedData computes", () => {
    fc.assert(
      fc.property(arbitraryStatement(type), (fields) => {
        expect(toHex0x(statementDigest(type, fields))).toBe(viemDigest(type, fields));
        expect(wordsDigest(type, encodeStatement(type, fields))).toEqual(statementDigest(type, fields));
      }),
      { numRuns: 40 },
    );
  });

  it("comes back from its words, or says that it cannot", () => {
    fc.assert(
      fc.property(arbitraryStatement(type), (fields) => {
        const words = encodeStatement(type, fields);
        expect(words.length).toBe(32 * members.length);
        if (members.some((field) => field.type === "string")) {
          expect(() => decodeStatement(type, words)).toThrow(refusal("statement_not_decodable"));
        } else {
          expect(decodeStatement(type, words)).toEqual(fields);
        }
      }),
      { numRuns: 40 },
    );
  });

  it.each(members)("changes its digest with $name", (field) => {
    const [fields] = fc.sample(arbitraryStatement(type), { numRuns: 1, seed: 7 });
    expect(statementDigest(type, tamper(fields!, field))).not.toEqual(statementDigest(type, fields!));
  });

  it.each(members)("refuses a missing or out-of-range $name", (field) => {
    const [fields] = fc.sample(arbitraryStatement(type), { numRuns: 1, seed: 8 });
    const wrong: Record<Field["type"], unknown[]> = {
      bytes32: [undefined, new Uint8Array(31), new Uint8Array(33), "0x00"],
      uint8: [undefined, 256, -1, 0.5, NaN, 1n],
      uint64: [undefined, -1n, 2n ** 64n, 1],
      string: [undefined, "\ud800", "x".repeat(1025), 1],
    };
    for (const value of wrong[field.type]) {
      expect(() => statementDigest(type, { ...fields!, [field.name]: value })).toThrow(
        refusal("statement_invalid"),
      );
    }
  });

  it("refuses words of another length", () => {
    for (const byteLength of [0, 32 * members.length - 1, 32 * members.length + 32]) {
      expect(() => decodeStatement(type, new Uint8Array(byteLength))).toThrow(refusal("statement_invalid"));
      expect(() => wordsDigest(type, new Uint8Array(byteLength))).toThrow(refusal("statement_invalid"));
    }
  });

  it.each(members.filter((field) => field.type.startsWith("uint")))(
    "refuses padding before $name",
    (field) => {
      const [fields] = fc.sample(arbitraryStatement(type), { numRuns: 1, seed: 9 });
      const index = members.indexOf(field);
      const last = field.type === "uint8" ? 30 : 23;
      for (const position of [0, last]) {
        const words = encodeStatement(type, fields!);
        words[32 * index + position] = 1;
        if (members.some((other) => other.type === "string")) continue;
        expect(() => decodeStatement(type, words)).toThrow(refusal("statement_invalid"));
      }
    },
  );
});

describe("statement types", () => {
  it("spells the type string as EIP-712 does", () => {
    expect(typeString("PolicyChange")).toBe("PolicyChange(bytes32 documentDigest,uint64 issuedAtMs)");
  });

  it("makes Aborted an InferenceStatement without outputDigest", () => {
    expect(STATEMENT_FIELDS.Aborted).toEqual(
      STATEMENT_FIELDS.InferenceStatement.filter((field) => field.name !== "outputDigest"),
    );
  });

  it("gives every leaf type its own number", () => {
    expect(new Set(Object.values(LEAF_TYPES)).size).toBe(Object.keys(LEAF_TYPES).length);
  });

  it("refuses a type that is not in the table", () => {
    for (const type of ["toString", "__proto__", "Nothing"]) {
      expect(() => encodeStatement(type as StatementType, {} as never)).toThrow(refusal("statement_invalid"));
    }
  });
});
