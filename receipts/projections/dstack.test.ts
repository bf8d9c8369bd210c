import { hashMessage } from "viem";
import { expect, it } from "vitest";
import { sha256, toHex, toHex0x, utf8 } from "../../codec/index.ts";
import { dstackReportData, dstackText, personalDigest } from "./dstack.ts";

it("the text is two hashes, and its digest that of a personal message", () => {
  const text = dstackText(sha256(utf8("request")), sha256(utf8("response")));
  expect(text).toBe(`${toHex(sha256(utf8("request")))}:${toHex(sha256(utf8("response")))}`);
  for (const each of [text, "", "é"]) expect(toHex0x(personalDigest(each))).toBe(hashMessage(each));
});

it("report data is the signer, padded on the right, and the nonce", () => {
  const data = dstackReportData(new Uint8Array(20).fill(1), new Uint8Array(32).fill(2));
  expect(toHex(data)).toBe("01".repeat(20) + "00".repeat(12) + "02".repeat(32));
});
