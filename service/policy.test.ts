import * as fc from "fast-check";
import { expect, test } from "vitest";
import { sha256, utf8 } from "../codec/index.ts";
import { parseUsd, policyDocument } from "./policy.ts";

test("an amount of dollars reads as its millionths, and stands in the policy as it was meant", () => {
  fc.assert(
    fc.property(fc.bigInt(0n, 10n ** 21n - 1n), (amountMicroUsd) => {
      const { zkAboveUsd } = JSON.parse(policyDocument("tee", null, amountMicroUsd).text) as {
        zkAboveUsd: string;
      };
      expect(parseUsd(zkAboveUsd)).toBe(amountMicroUsd);
    }),
  );
});

test.each(["", "-1", "01", "1.", ".5", "1.1234567", "1e3", "1,5", "1000000000000000", " 1", "1 "])(
  "%j is no amount",
  (text) => expect(parseUsd(text)).toBeUndefined(),
);

test("a policy without a threshold is the text that receipts have named from the start", () => {
  const { text, digest } = policyDocument("tee", null, undefined);
  expect(text).toBe('{"assurance":"tee","circuitBinding":null,"formatVersion":1}');
  expect(digest).toEqual(sha256(utf8(text)));
});

test("a proof's policy names the binding", () => {
  const { text } = policyDocument("tee+zk", new Uint8Array(32).fill(0xab), 1_250_500_000n);
  expect(JSON.parse(text)).toEqual({
    formatVersion: 1,
    assurance: "tee+zk",
    circuitBinding: `0x${"ab".repeat(32)}`,
    zkAboveUsd: "1250.5",
  });
});
