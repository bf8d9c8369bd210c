import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Json } from "../codec/index.ts";
import { arbitraryStatement, bytes, tamper } from "./arbitrary.test-support.ts";
import type { ReceiptBundle } from "./bundle.ts";
import { differingMember, endorsementsDigest, parseBundle, serializeBundle } from "./bundle.ts";
import type { Field, StatementOf } from "./fields.ts";
import { STATEMENT_FIELDS } from "./fields.ts";
import { encodeReceiptHeader } from "./header.ts";
import type { PrivatePart } from "./private-part.ts";
import { encodeStatement } from "./statements.ts";
import { parsePrivatePart, serializePrivatePart } from "./private-part.ts";

const refusal = (code: string) => expect.objectContaining({ name: "ReceiptError", code });
const word = (byte: number) => new Uint8Array(32).fill(byte);
const sample = <T>(arbitrary: fc.Arbitrary<T>) => fc.sample(arbitrary, { numRuns: 1, seed: 11 })[0]!;

const PARTS = {
  signature: new Uint8Array(65).fill(1),
  keyset: "{}",
  keysetStatement: { statement: sample(arbitraryStatement("Keyset")), signature: new Uint8Array(65).fill(2) },
  evidence: { type: "tdx", quote: Uint8Array.of(1, 2, 3), nonce: word(3) },
  endorsements: { tcb_info: "{}", nested: { list: [1, null, true] } },
  keysetLog: {
    origin: "log.example",
    leafIndex: 7n,
    proof: [word(4)],
    checkpoint: "note",
    attestedCheckpoint: "note",
  },
  manifest: '{"name":"m"}',
  policy: "{}",
  execution: "{}",
  inclusion: { origin: "log.example", leafIndex: 2n ** 63n, proof: [], checkpoint: "note" },
};
const STATEMENT = sample(arbitraryStatement("InferenceStatement"));

function headerOf<T extends "InferenceStatement" | "Aborted">(
  type: T,
  statement: StatementOf<T>,
  signature: Uint8Array,
) {
  return encodeReceiptHeader({ type, words: encodeStatement(type, statement), signature });
}

const BUNDLE: ReceiptBundle = {
  type: "InferenceStatement",
  statement: STATEMENT,
  receipt: headerOf("InferenceStatement", STATEMENT, PARTS.signature),
  ...PARTS,
};
const TEXT = serializeBundle(BUNDLE);
const PRIVATE: PrivatePart = {
  salt: word(5),
  requester: "account:1",
  request: { bytes: Uint8Array.of(1, 2), contentType: "application/octet-stream", headerLength: 1 },
  response: { bytes: Uint8Array.of(3), contentType: "application/json", headerLength: null },
};

type Path = (string | number)[];

/** Every place in a JSON document, objects and lists included. */
function places(value: unknown, path: Path = []): Path[] {
  if (typeof value !== "object" || value === null) return [path];
  return [path, ...Object.entries(value).flatMap(([name, member]) => places(member, [...path, name]))];
}

function edited(
  text: string,
  path: Path,
  edit: (parent: Record<string, unknown>, name: string) => void,
): string {
  const document = { root: JSON.parse(text) };
  let parent: Record<string, unknown> = document;
  const full = ["root", ...path.map(String)];
  for (const name of full.slice(0, -1)) parent = parent[name] as Record<string, unknown>;
  edit(parent, full.at(-1)!);
  return JSON.stringify(document.root);
}

describe("bundle", () => {
  it("comes back, for both statements", () => {
    expect(parseBundle(TEXT)).toEqual(BUNDLE);
    fc.assert(
      fc.property(arbitraryStatement("Aborted"), bytes(65), (statement, signature) => {
        const receipt = headerOf("Aborted", statement, signature);
        const bundle: ReceiptBundle = {
          ...PARTS,
          type: "Aborted",
          statement,
          signature,
          receipt,
          inclusion: null,
        };
        expect(differingMember(bundle)).toBe(null);
        expect(parseBundle(serializeBundle(bundle))).toEqual(bundle);
      }),
      { numRuns: 20 },
    );
  });

  const outside = places(JSON.parse(TEXT)).filter((path) => path[0] !== "endorsements" && path.length > 0);

  it.each(outside.map((path) => ({ name: path.join("."), path })))(
    "refuses $name as another type",
    ({ path }) => {
      for (const value of [{ x: 1 }, ["x"], -1, true, "\ud800"]) {
        const text = edited(TEXT, path, (parent, name) => (parent[name] = value));
        const version = path[0] === "formatVersion";
        expect(() => parseBundle(text)).toThrow(
          refusal(version ? "format_version_unknown" : "bundle_invalid"),
        );
      }
    },
  );

  const named = outside.filter((path) => Number.isNaN(Number(path.at(-1))));

  it.each(named.map((path) => ({ name: path.join("."), path })))("refuses to miss $name", ({ path }) => {
    const text = edited(TEXT, path, (parent, name) => delete parent[name]);
    expect(() => parseBundle(text)).toThrow(refusal("bundle_invalid"));
  });

  const objects = places(JSON.parse(TEXT)).filter((path) => {
    const value = path.reduce<unknown>((at, name) => Reflect.get(at as object, name), JSON.parse(TEXT));
    return path[0] !== "endorsements" && typeof value === "object" && value !== null && !Array.isArray(value);
  });

  it.each(objects.map((path) => ({ name: path.join(".") || "the document", path })))(
    "refuses unknown members in $name",
    ({ path }) => {
      for (const extra of ["extra", "constructor"]) {
        const text = edited(TEXT, path, (parent, name) => {
          parent[name] = { ...(parent[name] as object), [extra]: 1 };
        });
        expect(() => parseBundle(text)).toThrow(refusal("bundle_invalid"));
      }
    },
  );

  it("refuses other spellings of bytes and numbers", () => {
    const wrong: [Path, Json][] = [
      [["signature"], `0x${"AB".repeat(65)}`],
      [["signature"], "01".repeat(66)],
      [["signature"], `0x${"01".repeat(64)}`],
      [["statement", "sequence"], "01"],
      [["statement", "sequence"], "18446744073709551616"],
      [["statement", "sequence"], "1e3"],
      [["statement", "promised"], 256],
      [["evidence", "quote"], "AQ"],
      [["evidence", "quote"], "AQI D"],
      [["receipt"], ""],
      [["receipt"], `${BUNDLE.receipt}A`],
      [["receipt"], BUNDLE.receipt.slice(4)],
      [["type"], "Keyset"],
      [["type"], "toString"],
      [["keysetLog", "proof"], Array.from({ length: 65 }, () => `0x${"00".repeat(32)}`)],
      [["keyset"], "x".repeat(65_537)],
      [["endorsements"], []],
      [["endorsements"], JSON.parse(`{"a":${"[".repeat(9)}${"]".repeat(9)}}`)],
      [["endorsements"], { a: "\ud800" }],
    ];
    for (const [path, value] of wrong) {
      const text = edited(TEXT, path, (parent, name) => (parent[name] = value));
      expect(() => parseBundle(text)).toThrow(refusal("bundle_invalid"));
    }
    expect(() => parseBundle(TEXT.replace('"tcb_info": "{}"', '"tcb_info": 1e400'))).toThrow(
      refusal("bundle_invalid"),
    );
    expect(() => parseBundle(TEXT.replace('"tcb_info"', '"__proto__"'))).toThrow(refusal("bundle_invalid"));
  });

  it("bounds the whole, and refuses what is no JSON or another version", () => {
    expect(() => parseBundle(" ".repeat(5_000_000))).toThrow(refusal("bundle_limit"));
    for (const text of ["", "{", "[]", "null", "{}", "[".repeat(1_000_000)]) {
      expect(() => parseBundle(text)).toThrow(refusal("bundle_invalid"));
    }
    expect(() => parseBundle('{"formatVersion":2}')).toThrow(refusal("format_version_unknown"));
    expect(() => parseBundle('{"formatVersion":"1"}')).toThrow(refusal("format_version_unknown"));
  });

  it("hashes endorsements whatever the order of their members", () => {
    expect(endorsementsDigest({ a: 1, b: [2] })).toEqual(endorsementsDigest({ b: [2], a: 1 }));
  });

  it("is not written where it could not be read", () => {
    expect(() => serializeBundle({ ...BUNDLE, signature: new Uint8Array(64) })).toThrow(
      refusal("bundle_invalid"),
    );
  });
});

describe("differingMember", () => {
  it.each(STATEMENT_FIELDS.InferenceStatement as readonly Field[])("names $name", (field) => {
    const statement = tamper<"InferenceStatement">(STATEMENT, field);
    expect(differingMember({ ...BUNDLE, type: "InferenceStatement", statement })).toBe(field.name);
    const receipt = headerOf("InferenceStatement", statement, PARTS.signature);
    expect(differingMember({ ...BUNDLE, receipt })).toBe(field.name);
  });

  it("names type and signature, and nothing where all agree", () => {
    expect(differingMember(BUNDLE)).toBe(null);
    expect(differingMember({ ...BUNDLE, signature: new Uint8Array(65).fill(9) })).toBe("signature");
    const aborted = sample(arbitraryStatement("Aborted"));
    expect(differingMember({ ...BUNDLE, receipt: headerOf("Aborted", aborted, PARTS.signature) })).toBe(
      "type",
    );
  });
});

describe("private part", () => {
  const text = serializePrivatePart(PRIVATE);

  it("comes back", () => {
    expect(parsePrivatePart(text)).toEqual(PRIVATE);
  });

  it.each(Object.keys(JSON.parse(text)))("refuses to miss %s or to find another type there", (name) => {
    expect(() => parsePrivatePart(edited(text, [name], (parent) => delete parent[name]))).toThrow(
      refusal("private_part_invalid"),
    );
    const code = name === "formatVersion" ? "format_version_unknown" : "private_part_invalid";
    expect(() => parsePrivatePart(edited(text, [name], (parent) => (parent[name] = [])))).toThrow(
      refusal(code),
    );
  });

  it("refuses unknown members and a header longer than its body", () => {
    const extra = edited(text, ["salt"], (parent) => (parent.extra = 1));
    const header = edited(text, ["requestHeaderLength"], (parent, name) => (parent[name] = 3));
    for (const wrong of [extra, header, "", "null"]) {
      expect(() => parsePrivatePart(wrong)).toThrow(refusal("private_part_invalid"));
    }
  });
});
