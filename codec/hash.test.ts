import { createHmac, hkdfSync } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import * as inBrowser from "./hash.browser.ts";
import * as inNode from "./hash.node.ts";

const [node, browser] = [{ ...inNode }, { ...inBrowser }];
const bytes = (maxLength: number) => fc.uint8Array({ maxLength });

describe("hashes in Node and in browsers", () => {
  it("have the same names", () => {
    expect(Object.keys(node).sort()).toEqual(Object.keys(browser).sort());
  });

  it.each(["sha256", "sha384", "sha512"] as const)("%s agrees on parts of any length", (name) => {
    fc.assert(
      fc.property(fc.array(bytes(300), { maxLength: 4 }), (parts) => {
        expect(node[name](...parts)).toEqual(browser[name](...parts));
      }),
    );
    const [large, small] = [new Uint8Array(100_000).fill(7), new Uint8Array(3).fill(9)];
    expect(node[name](small, large)).toEqual(browser[name](small, large));
  });

  it("sha256 agrees at every length around the change from one implementation to the other", () => {
    for (let length = 0; length <= 520; length++) {
      const message = new Uint8Array(length).fill(length & 255);
      const half = length >> 1;
      expect(node.sha256(message)).toEqual(browser.sha256(message));
      expect(node.sha256(message.subarray(0, half), message.subarray(half))).toEqual(browser.sha256(message));
    }
  });

  // The block, and the memory that holds 481 of them, are where padding and carrying over happen.
  const RATE = 136;
  const MEMORY = 481 * RATE;
  it.each([0, 1, RATE, MEMORY, 2 * MEMORY])("keccak256 agrees around %d bytes", (length) => {
    for (let n = Math.max(0, length - 2); n <= length + 2; n++) {
      const message = Uint8Array.from({ length: n }, (_, i) => (i * 31 + n) & 255);
      expect(node.keccak256(message)).toEqual(browser.keccak256(message));
    }
  });

  it("keccak256 agrees on any message, and forgets the one before", () => {
    fc.assert(
      fc.property(bytes(1000), (message) => {
        expect(node.keccak256(message)).toEqual(browser.keccak256(message));
      }),
    );
  });

  it("HMAC and HKDF are those of node:crypto", () => {
    fc.assert(
      fc.property(bytes(100), bytes(400), fc.integer({ min: 1, max: 200 }), (key, message, length) => {
        const hmac = new Uint8Array(createHmac("sha256", key).update(message).digest());
        const hkdf = new Uint8Array(hkdfSync("sha256", key, new Uint8Array(0), message, length));
        for (const side of [node, browser]) {
          expect(side.hmacSha256(key, message)).toEqual(hmac);
          expect(side.hkdfSha256(key, message, length)).toEqual(hkdf);
          expect(side.hkdfExpandSha256(side.hkdfExtractSha256(key), message, length)).toEqual(hkdf);
        }
      }),
    );
  });

  it("an expander is HKDF-Expand to 32 bytes, again and again under one key", () => {
    fc.assert(
      fc.property(bytes(100), fc.array(bytes(64), { minLength: 1, maxLength: 4 }), (key, infos) => {
        for (const side of [node, browser]) {
          const expand = side.hkdfExpander(side.hkdfExtractSha256(key));
          for (const info of infos) expect(expand(info)).toEqual(side.hkdfSha256(key, info, 32));
          expect(() => expand(new Uint8Array(65))).toThrow(RangeError);
        }
      }),
    );
  });

  it("HKDF refuses more than 255 blocks", () => {
    for (const side of [node, browser]) {
      expect(() => side.hkdfSha256(new Uint8Array(32), new Uint8Array(0), 8161)).toThrow();
    }
  });
});
