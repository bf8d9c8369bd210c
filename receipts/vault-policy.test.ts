import { ed25519 } from "@noble/curves/ed25519.js";
import { describe, expect, it } from "vitest";
import { jcs, sha256, toHex0x, utf8, type Json } from "../codec/index.ts";
import { readVaultLimits, signVaultPolicy, vaultPolicyDigest, verifyVaultPolicy } from "./vault-policy.ts";

const SEED = new Uint8Array(32).fill(5);
const LIMITS = {
  operationsPerHour: new Map([
    ["sign", 1000],
    ["signTransaction", 0],
  ]),
  weiPerTransaction: null,
  weiPerHour: 10n ** 18n,
  creditAtomic: 5n,
};
const PEERS = { formatVersion: 1 };
const text = signVaultPolicy(
  { version: 3, issuedAtMs: 1_800_000_000_000n, limits: LIMITS, peers: PEERS },
  SEED,
);
const refusal = expect.objectContaining({ name: "ReceiptError", code: "owner_policy_invalid" });

const signed =
  (limits: object, version = 1) =>
  () =>
    signVaultPolicy({ version, issuedAtMs: 1n, limits: { ...LIMITS, ...limits }, peers: null }, SEED);
const letter = (i: number): string => String.fromCharCode(97 + i);
const named = (count: number) =>
  new Map(Array.from({ length: count }, (_, i) => [letter(i % 26) + letter(Math.floor(i / 26)), i]));

describe("a vault's policy", () => {
  it("says what its owner signed", () => {
    expect(verifyVaultPolicy(text)).toEqual({
      version: 3,
      issuedAtMs: 1_800_000_000_000n,
      limits: LIMITS,
      peers: PEERS,
      owner: ed25519.getPublicKey(SEED),
    });
    expect(vaultPolicyDigest(text)).toEqual(sha256(utf8(text)));
  });

  it("is refused where any member is changed, added or left out, or not in canonical form", () => {
    const document = JSON.parse(text) as { [member: string]: Json } & { limits: { [member: string]: Json } };
    const changes: Json[] = [
      ...Object.keys(document).map((name) => ({ ...document, [name]: null })),
      ...Object.keys(document).map((name) => {
        const { [name]: _, ...rest } = document;
        return rest;
      }),
      ...Object.keys(document.limits).map((name) => ({
        ...document,
        limits: { ...document.limits, [name]: name === "operationsPerHour" ? {} : "7" },
      })),
      { ...document, more: 1 },
      { ...document, version: 4 },
      { ...document, peers: null },
      { ...document, peers: [] },
      { ...document, issuedAtMs: "1800000000001" },
      { ...document, owner: toHex0x(ed25519.getPublicKey(new Uint8Array(32).fill(6))) },
    ];
    for (const changed of changes)
      expect(() => verifyVaultPolicy(jcs(changed)), jcs(changed)).toThrow(refusal);
    for (const wrong of [JSON.stringify(document, null, 1), `${text} `, "", "x", "null", " ".repeat(40_000)])
      expect(() => verifyVaultPolicy(wrong)).toThrow(refusal);
  });

  it("is not signed where no reader would take it", () => {
    expect(signed({})).not.toThrow();
    expect(signed({ operationsPerHour: named(64) })).not.toThrow();
    for (const wrong of [
      { operationsPerHour: new Map([["sign", -1]]) },
      { operationsPerHour: new Map([["sign", 1.5]]) },
      { operationsPerHour: new Map([["../sign", 1]]) },
      { operationsPerHour: named(65) },
      { weiPerHour: -1n },
      { weiPerTransaction: 10n ** 60n },
    ]) {
      expect(signed(wrong)).toThrow(refusal);
    }
    for (const version of [0, -1, 1.5, 2 ** 50]) expect(signed({}, version)).toThrow(refusal);
    for (const value of [null, [], 1, {}, { ...LIMITS, operationsPerHour: [] }])
      expect(() => readVaultLimits(value)).toThrow(refusal);
  });
});
