import { createHash, hkdfSync } from "node:crypto";
import * as fc from "fast-check";
import { encodeAbiParameters, keccak256 as viemKeccak, sha256 as viemSha256, toHex } from "viem";
import { describe, expect, it } from "vitest";
import { toHex0x, utf8 } from "../codec/index.ts";
import { bytes } from "./arbitrary.test-support.ts";
import {
  SALT_FIELDS,
  audienceDigest,
  deriveSalt,
  fieldDigests,
  inputCommitment,
  outputDigest,
  requestDigest,
  requesterDigest,
  responseDigest,
  settlementDigest,
} from "./digests.ts";

const SALT = new Uint8Array(32).fill(0xa5);
const sha = (...parts: Uint8Array[]) => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
};
const refusal = (code: string) => expect.objectContaining({ name: "ReceiptError", code });

describe("salts", () => {
  it("are HKDF-SHA256 of the request's salt, one a field", () => {
    for (const field of SALT_FIELDS) {
      const expected = hkdfSync("sha256", SALT, new Uint8Array(0), `affidavit.v1.${field}`, 32);
      expect(deriveSalt(SALT, field)).toEqual(new Uint8Array(expected));
    }
    expect(new Set(SALT_FIELDS.map((field) => toHex0x(deriveSalt(SALT, field)))).size).toBe(
      SALT_FIELDS.length,
    );
  });

  it("refuse another length or field", () => {
    expect(() => deriveSalt(new Uint8Array(31), "input")).toThrow(refusal("salt_invalid"));
    expect(() => deriveSalt(SALT, "other" as never)).toThrow(refusal("salt_invalid"));
  });
});

describe("digests", () => {
  it("hash what the specification says", () => {
    const body = utf8("body");
    expect(inputCommitment(SALT, body)).toEqual(sha(deriveSalt(SALT, "input"), body));
    expect(requestDigest(SALT, body)).toEqual(sha(deriveSalt(SALT, "request"), sha(body)));
    expect(responseDigest(SALT, body)).toEqual(sha(deriveSalt(SALT, "response"), sha(body)));
    expect(requesterDigest(SALT, "account:1")).toEqual(sha(deriveSalt(SALT, "requester"), utf8("account:1")));
  });

  it("encode the output as Solidity does", () => {
    fc.assert(
      fc.property(bytes(32), fc.uint8Array({ maxLength: 200 }), (salt, output) => {
        const parameters = [{ type: "bytes32" }, { type: "bytes" }] as const;
        const encoded = encodeAbiParameters(parameters, [toHex(deriveSalt(salt, "output")), toHex(output)]);
        expect(toHex0x(outputDigest(salt, output))).toBe(viemKeccak(encoded));
      }),
    );
  });

  it("encode the settlement as Solidity does", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 80 });
    fc.assert(
      fc.property(
        bytes(32),
        text,
        fc.bigInt(0n, 2n ** 256n - 1n),
        text,
        (salt, method, amount, reference) => {
          const parameters = [
            { type: "bytes32" },
            { type: "string" },
            { type: "uint256" },
            { type: "string" },
          ] as const;
          const values = [toHex(deriveSalt(salt, "settlement")), method, amount, reference] as const;
          const encoded = encodeAbiParameters(parameters, values);
          expect(toHex0x(settlementDigest(salt, method, amount, reference))).toBe(viemSha256(encoded));
        },
      ),
    );
  });

  it("encode the audience as Solidity does", () => {
    fc.assert(
      fc.property(fc.bigInt(0n, 2n ** 64n), bytes(20), (chainId, address) => {
        const encoded = encodeAbiParameters(
          [{ type: "uint256" }, { type: "address" }],
          [chainId, toHex(address)],
        );
        expect(toHex0x(audienceDigest(chainId, address))).toBe(viemKeccak(encoded));
      }),
    );
  });

  it("refuse inputs of another size", () => {
    expect(() => audienceDigest(1n, new Uint8Array(19))).toThrow(refusal("digest_input_invalid"));
    expect(() => audienceDigest(-1n, new Uint8Array(20))).toThrow(refusal("digest_input_invalid"));
    expect(() => settlementDigest(SALT, "x", 2n ** 256n, "r")).toThrow(refusal("digest_input_invalid"));
    expect(() => requesterDigest(SALT, "\udc00")).toThrow(refusal("digest_input_invalid"));
    expect(() => requesterDigest(SALT, "x".repeat(4097))).toThrow(refusal("digest_input_invalid"));
    expect(() => fieldDigests.bodyDigest(new Uint8Array(16), SALT)).toThrow(refusal("digest_input_invalid"));
  });
});
