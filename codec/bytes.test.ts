import * as fc from "fast-check";
import { afterEach, expect, it, vi } from "vitest";
import * as node from "./bytes.ts";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.resetModules();
});

it("base64 and hex are the same with Node's encoder and without", async () => {
  vi.stubGlobal("Buffer", undefined);
  vi.resetModules();
  const browser = await import("./bytes.ts");
  vi.unstubAllGlobals();
  expect(browser.toBase64).not.toBe(node.toBase64);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      // A view that does not start at its buffer's start.
      const view = Uint8Array.from([7, ...bytes, 7]).subarray(1, bytes.length + 1);
      expect(node.toHex(view)).toBe(browser.toHex(view));
      expect(node.toBase64(view)).toBe(browser.toBase64(view));
      expect(node.toBase64Url(view)).toBe(browser.toBase64Url(view));
      expect(node.fromBase64(browser.toBase64(view))).toEqual(bytes);
      expect(browser.fromBase64Url(node.toBase64Url(view))).toEqual(bytes);
    }),
  );
});
