import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EXECUTION_PROVIDERS } from "../manifest.ts";
import { parseLoadRequest } from "./load-request.ts";
import { MAX_TENSORS_BYTES } from "./wire.ts";
import type { LoadRequest } from "./wire.ts";

const best = { output: "y", op: "bestOfLast", index: "i", value: "v" } as const;
const request: LoadRequest = {
  model: 1,
  bytes: 100,
  executionProviders: [...EXECUTION_PROVIDERS],
  threads: 1,
  maxOutputBytes: MAX_TENSORS_BYTES,
  reductions: [best],
};
const named = (i: number) => ({ ...best, output: `y${i}`, index: `i${i}`, value: `v${i}` });
const many = (count: number) => Array.from({ length: count }, (_, i) => named(i));
const parse = (value: unknown) => parseLoadRequest(Buffer.from(JSON.stringify(value)));
const refused = expect.objectContaining({ name: "HostError", code: "engine_failed" });

describe("the announcement of a model", () => {
  it("is read back as it was written, up to its bounds", () => {
    for (const reductions of [[], [best], many(16)]) {
      expect(parse({ ...request, reductions })).toEqual({ ...request, reductions });
    }
    const long = "字".repeat(128);
    const wide = many(16).map((one, i) => ({
      ...one,
      value: `${long.slice(3)}${String(i).padStart(3, "0")}`,
    }));
    expect(parse({ ...request, reductions: wide }).reductions).toEqual(wide);
  });

  it.each<[string, unknown]>([
    ["null", null],
    ["a list", []],
    ["nothing", {}],
    ["a member more", { ...request, extra: 1 }],
    ["a member less", { ...request, reductions: undefined }],
    ["no bytes", { ...request, bytes: 0 }],
    ["more bytes than a model may have", { ...request, bytes: 2 ** 31 }],
    ["half a byte", { ...request, bytes: 1.5 }],
    ["bytes as text", { ...request, bytes: "100" }],
    ["no model number", { ...request, model: -1 }],
    ["too many threads", { ...request, threads: 1025 }],
    ["outputs that no frame holds", { ...request, maxOutputBytes: MAX_TENSORS_BYTES + 1 }],
    ["no provider", { ...request, executionProviders: [] }],
    ["an unknown provider", { ...request, executionProviders: ["toString"] }],
    ["providers without end", { ...request, executionProviders: Array(8).fill("cpu") }],
    ["reductions that are no list", { ...request, reductions: { length: 0 } }],
    ["reductions without end", { ...request, reductions: many(17) }],
    ["an unknown reduction", { ...request, reductions: [{ ...best, op: "eval" }] }],
    ["a reduction with a member more", { ...request, reductions: [{ ...best, axis: 0 }] }],
    ["a reduction with a member less", { ...request, reductions: [{ ...best, value: undefined }] }],
    ["a reduction that is null", { ...request, reductions: [null] }],
    ["a name that is no text", { ...request, reductions: [{ ...best, index: 7 }] }],
    ["an empty name", { ...request, reductions: [{ ...best, index: "" }] }],
    ["a long name", { ...request, reductions: [{ ...best, index: "i".repeat(129) }] }],
    ["one output reduced twice", { ...request, reductions: [best, { ...named(1), output: "y" }] }],
    ["one name given twice", { ...request, reductions: [{ ...best, value: "i" }] }],
  ])("is refused with %s", (_, value) => {
    expect(() => parse(value)).toThrow(refused);
  });

  it("is refused with a prototype for a member", () => {
    const text = JSON.stringify(request).replace('"threads"', '"__proto__"');
    expect(() => parseLoadRequest(Buffer.from(text))).toThrow(refused);
  });

  it("is refused, and nothing else happens, whatever the bytes", () => {
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array(), fc.json().map(Buffer.from)), (bytes) => {
        expect(() => parseLoadRequest(bytes)).toThrow(refused);
      }),
    );
    expect(() => parseLoadRequest(Buffer.from(" ".repeat(65_537)))).toThrow(refused);
  });
});
