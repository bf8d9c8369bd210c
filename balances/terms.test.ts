import { describe, expect, it } from "vitest";
import { sha256, utf8 } from "../codec/index.ts";
import { BalanceError } from "./error.ts";
import { MAX_SUPPLY_ATOMIC } from "./supply.ts";
import { encodeTerms, parseTerms, sealTerms, SEALED_TERMS_BYTES, type AllowanceTerms } from "./terms.ts";

const terms: AllowanceTerms = {
  credits: 0x0102030405060708n,
  expiresAtMs: 1_800_000_000_000n,
  priceList: new Uint8Array(32).fill(1),
  vault: new Uint8Array(20).fill(2),
  salt: new Uint8Array(32).fill(3),
};

function code(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return error instanceof BalanceError ? error.code : String(error);
  }
}

describe("terms", () => {
  it("have one encoding of 100 bytes", () => {
    const bytes = encodeTerms(terms);
    expect(bytes.length).toBe(100);
    expect(Buffer.from(bytes.subarray(0, 8)).toString("hex")).toBe("0102030405060708");
    expect(parseTerms(bytes)).toEqual(terms);
  });

  it.each<[string, Partial<AllowanceTerms>]>([
    ["no credits", { credits: 0n }],
    ["more credits than there can be", { credits: MAX_SUPPLY_ATOMIC + 1n }],
    ["an end before time", { expiresAtMs: -1n }],
    ["a price list of another length", { priceList: new Uint8Array(31) }],
    ["a vault of another length", { vault: new Uint8Array(32) }],
    ["a salt of another length", { salt: new Uint8Array(0) }],
  ])("are refused with %s", (_, members) => {
    expect(code(() => encodeTerms({ ...terms, ...members }))).toBe("terms_invalid");
  });

  it("are refused cut, longer, or out of range", () => {
    const bytes = encodeTerms(terms);
    expect(code(() => parseTerms(bytes.subarray(1)))).toBe("terms_invalid");
    expect(code(() => parseTerms(new Uint8Array(101)))).toBe("terms_invalid");
    expect(code(() => parseTerms(new Uint8Array(100)))).toBe("terms_invalid");
    expect(code(() => parseTerms(new Uint8Array(100).fill(255)))).toBe("terms_invalid");
  });

  it("are sealed to a key of X25519, differently each time", async () => {
    const key = sha256(utf8("a point"));
    const [one, two] = [await sealTerms(terms, key, key), await sealTerms(terms, key, key)];
    expect(one.length).toBe(SEALED_TERMS_BYTES);
    expect(one).not.toEqual(two);
    await expect(sealTerms(terms, new Uint8Array(31), key)).rejects.toMatchObject({ code: "terms_invalid" });
  });
});
