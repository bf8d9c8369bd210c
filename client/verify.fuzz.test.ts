import * as fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import { CodecError, concat, fromUtf8, utf8 } from "../codec/index.ts";
import {
  parseBundle,
  parsePrivatePart,
  ReceiptError,
  serializeBundle,
  serializePrivatePart,
} from "../receipts/index.ts";
import type { PrivatePart, ReceiptBundle } from "../receipts/index.ts";
import { createIssuer, NOW, type Receipt } from "../test/receipt-fixture.ts";
import { verifyReceipt } from "./verify.ts";

let receipt: Receipt;
let bundleBytes: Uint8Array;
let privateBytes: Uint8Array;

beforeAll(async () => {
  receipt = (await createIssuer()).issue({}, { included: true });
  bundleBytes = utf8(serializeBundle(receipt.bundle));
  privateBytes = utf8(serializePrivatePart(receipt.privatePart));
});

interface Edit {
  at: number;
  byte: number;
  how: "replace" | "insert" | "remove";
}

const edit = fc.record({
  at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  byte: fc.oneof(
    fc.integer({ min: 0, max: 255 }),
    fc.constantFrom(...utf8('0123456789abcdefx"{}[],:-+/=\\n \n')),
  ),
  how: fc.constantFrom("replace", "replace", "insert", "remove"),
}) satisfies fc.Arbitrary<Edit>;

function edited(bytes: Uint8Array, edits: Edit[]): Uint8Array {
  let changed = bytes;
  for (const { at, byte, how } of edits) {
    const index = Math.floor(at * changed.length);
    const put = how === "remove" ? [] : [byte];
    const kept = how === "insert" ? index : index + 1;
    changed = concat(changed.subarray(0, index), Uint8Array.from(put), changed.subarray(kept));
  }
  return changed;
}

/** Undefined where it is refused before there is anything to verify, by a typed error. */
function parsed<T>(bytes: Uint8Array, parse: (text: string) => T): T | undefined {
  try {
    return parse(fromUtf8(bytes));
  } catch (error) {
    if (error instanceof ReceiptError || error instanceof CodecError) return undefined;
    throw error;
  }
}

function accepted(bundle: ReceiptBundle, privatePart: PrivatePart): boolean {
  const { verdict, code } = verifyReceipt(bundle, {
    now: NOW,
    policy: { allowSimulated: true },
    privatePart,
  });
  expect(code === "ok").toBe(verdict === "accepted");
  return verdict === "accepted";
}

describe("whatever bytes change", () => {
  it("in a receipt, it is accepted only where it still says the same, and nothing untyped is thrown", () => {
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
        const bundle = parsed(edited(bundleBytes, edits), parseBundle);
        if (bundle && accepted(bundle, receipt.privatePart)) expect(bundle).toEqual(receipt.bundle);
      }),
      { numRuns: 1500 },
    );
  });

  it("in a private part, it is accepted only where salt, requester and bodies are the same", () => {
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
        const part = parsed(edited(privateBytes, edits), parsePrivatePart);
        if (!part || !accepted(receipt.bundle, part)) return;
        const { salt, requester, request, response } = receipt.privatePart;
        expect(part).toMatchObject({ salt, requester });
        expect([part.request.bytes, part.response.bytes]).toEqual([request.bytes, response.bytes]);
      }),
      { numRuns: 500 },
    );
  });
});
