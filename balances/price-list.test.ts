import { describe, expect, it } from "vitest";
import { fromHex, sha256, toHex0x, utf8 } from "../codec/index.ts";
import { BalanceError } from "./error.ts";
import { priceListDigest, signPriceList, verifyPriceList } from "./price-list.ts";

const KEY = sha256(utf8("owner"));
const MODEL = toHex0x(sha256(utf8("model")));
const list = { version: 3n, issuedAtMs: 7n, prices: new Map([[MODEL, 5n]]) };

function code(work: () => unknown): string | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    return error instanceof BalanceError ? error.code : String(error);
  }
}

describe("a price list", () => {
  const text = signPriceList(list, KEY);

  it("says what its owner signed, in one spelling", () => {
    const read = verifyPriceList(text);
    expect(read).toMatchObject({ version: 3n, issuedAtMs: 7n });
    expect([...read.prices]).toEqual([[MODEL, 5n]]);
    expect(toHex0x(read.owner)).toBe((JSON.parse(text) as { owner: string }).owner);
    expect(priceListDigest(text)).toEqual(sha256(utf8(text)));
    expect(signPriceList(list, KEY)).toBe(text);
  });

  it("is refused changed, in another spelling, too large or of another form", () => {
    const document = JSON.parse(text) as Record<string, unknown>;
    const members: [string, unknown][] = [
      ["version", "4"],
      ["issuedAtMs", "8"],
      ["prices", { [MODEL]: "6" }],
      ["prices", {}],
      ["signature", `0x${"0".repeat(128)}`],
    ];
    for (const [name, value] of members)
      expect(code(() => verifyPriceList(canonical({ ...document, [name]: value })))).toBe(
        "price_list_signature_invalid",
      );
    const other = fromHex((document["owner"] as string).slice(2)).map((byte) => byte ^ 1);
    expect(code(() => verifyPriceList(canonical({ ...document, owner: toHex0x(other) })))).toBe(
      "price_list_signature_invalid",
    );
    const forms = [
      ` ${text}`,
      text.slice(0, -1),
      "[]",
      "null",
      canonical({ ...document, formatVersion: 2 }),
      canonical({ ...document, more: 1 }),
      canonical({ ...document, prices: { [MODEL]: "0" } }),
      canonical({ ...document, prices: { [MODEL]: "05" } }),
      canonical({ ...document, prices: { model: "5" } }),
      canonical({ ...document, version: 3 }),
      JSON.stringify({ ...document, prices: "x".repeat(600_000) }),
    ];
    for (const form of forms)
      expect(
        code(() => verifyPriceList(form)),
        form.slice(0, 80),
      ).toBe("price_list_invalid");
  });

  it("is not signed where nobody would read it", () => {
    const prices = new Map([[MODEL, 0n]]);
    expect(code(() => signPriceList({ ...list, prices }, KEY))).toBe("price_list_invalid");
  });
});

function canonical(document: Record<string, unknown>): string {
  return JSON.stringify(
    Object.fromEntries(Object.entries(document).toSorted(([a], [b]) => (a < b ? -1 : 1))),
  );
}
