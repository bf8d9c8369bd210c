import { describe, expect, test } from "vitest";
import { fromHex, toBase64, utf8 } from "../../codec/index.ts";
import { appraise, parsePolicy } from "../index.ts";
import * as evidence from "../testing/dcap.ts";
import { COLLATERAL_MEMBERS } from "./dcap-collateral.ts";

const root = toBase64(evidence.rootCertificate(evidence.testPki()));
const policy = parsePolicy({ formatVersion: 1, codeIdentity: "reported", roots: [{ certificate: root }] });
const quote = evidence.testQuote("tdx4");
const collateral = evidence.testCollateral("tdx4");

function codeOf(endorsements: unknown): string {
  return appraise({ type: "tdx", quote }, endorsements, { now: evidence.TEST_NOW, policy }).code;
}

const BINARY_MEMBERS = COLLATERAL_MEMBERS.filter((name) => /_(?:crl|signature)$/.test(name));

describe.each(BINARY_MEMBERS)("%s as a list of bytes", (member) => {
  const bytes = [...fromHex(collateral[member])];
  test.each<[string, unknown, string]>([
    ["is read", bytes, "ok"],
    ["is read in the form of a Buffer", { type: "Buffer", data: bytes }, "ok"],
    ["is bounded", Array.from({ length: 200_000 }, () => 0), "collateral_malformed"],
    ["has no other numbers", [...bytes.slice(1), 256], "collateral_malformed"],
    ["has no fractions", [...bytes.slice(1), 0.5], "collateral_malformed"],
    ["has no texts", [...bytes.slice(1), "1"], "collateral_malformed"],
    ["is not of another type", { type: "Uint8Array", data: bytes }, "collateral_malformed"],
  ])("%s", (_name, value, code) => {
    expect(codeOf({ ...collateral, [member]: value })).toBe(code);
  });
});

test("documents and chains are no lists of bytes", () => {
  const value = [...utf8(collateral.tcb_info)];
  expect(codeOf({ ...collateral, tcb_info: value })).toBe("collateral_malformed");
});
