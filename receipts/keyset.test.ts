import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { describe, expect, it } from "vitest";
import { fromHex, jcs, toHex, utf8 } from "../codec/index.ts";
import type { Json } from "../codec/index.ts";
import type { KeysetParams } from "./keyset.ts";
import { buildKeyset, keysetDigest, parseKeyset } from "./keyset.ts";
import { attestationStatement, gpuNonce, parseNonce, reportData } from "./report-data.ts";
import { addressOf } from "./signature.ts";

const refusal = (code: string) => expect.objectContaining({ name: "ReceiptError", code });

const PARAMS: KeysetParams = {
  receiptPublicKey: secp256k1.getPublicKey(new Uint8Array(32).fill(3)),
  aciPublicKey: new Uint8Array(32).fill(3),
  airPublicKey: new Uint8Array(32).fill(4),
  notAfterSeconds: 1_800_000_000,
  subject: "affidavit://example",
  encryptionKeys: [{ algo: "dhkem-x25519-hkdf-sha256", keyId: "hpke-1", publicKey: "05".repeat(32) }],
  tlsKeys: [
    { spkiSha256: new Uint8Array(32).fill(6), domain: "api.example.com", custody: "service" },
    { spkiSha256: new Uint8Array(32).fill(7), domain: null, custody: "vault" },
  ],
  log: { origin: "log.example/affidavit", publicKey: new Uint8Array(32).fill(8) },
  epoch: 1,
  fhePublicKeyDigests: [],
  measurements: { mrtd: new Uint8Array(48).fill(9) },
  attester: { type: "tdx", name: "simulated", simulated: true },
};
const TEXT = buildKeyset(PARAMS);
const ADDRESS = addressOf(PARAMS.receiptPublicKey);

describe("keyset", () => {
  it("starts with address and expiry at fixed places", () => {
    const expiry = (1_800_000_000).toString(16).padStart(16, "0");
    expect(TEXT.startsWith(`{"affidavit":{"a":"0x${toHex(ADDRESS)}","b":"${expiry}","epoch":1,`)).toBe(true);
    expect(TEXT.indexOf('"a":"0x')).toBe(14);
    expect(TEXT.slice(21, 61)).toBe(toHex(ADDRESS));
    expect(TEXT.slice(68, 84)).toBe(expiry);
  });

  it("comes back", () => {
    expect(parseKeyset(TEXT)).toEqual({ ...PARAMS, receiptAddress: ADDRESS });
    const other = { ...PARAMS, subject: null, tlsKeys: [], encryptionKeys: [], measurements: {} };
    const digests = { ...other, fhePublicKeyDigests: [new Uint8Array(32).fill(1)] };
    expect(parseKeyset(buildKeyset(digests))).toEqual({ ...digests, receiptAddress: ADDRESS });
  });

  it("refuses parameters that do not parse again", () => {
    const wrong: Partial<KeysetParams>[] = [
      { notAfterSeconds: 0 },
      { notAfterSeconds: 1.5 },
      { epoch: 0 },
      { subject: "two words" },
      { aciPublicKey: new Uint8Array(31) },
      { airPublicKey: new Uint8Array(31) },
      { log: { origin: "", publicKey: PARAMS.log.publicKey } },
      { log: { origin: "a+b", publicKey: PARAMS.log.publicKey } },
      { measurements: { "not a name": new Uint8Array(1) } },
      { measurements: { big: new Uint8Array(65) } },
      { fhePublicKeyDigests: [new Uint8Array(31)] },
      { tlsKeys: Array.from({ length: 17 }, () => PARAMS.tlsKeys[0]!) },
    ];
    for (const change of wrong) {
      expect(() => buildKeyset({ ...PARAMS, ...change })).toThrow(refusal("keyset_invalid"));
    }
    expect(() => buildKeyset({ ...PARAMS, receiptPublicKey: new Uint8Array(33) })).toThrow(
      refusal("signature_invalid"),
    );
  });

  it("refuses another spelling of the same document", () => {
    const spellings = [` ${TEXT}`, TEXT.replace(",", ", "), TEXT.replace('"epoch"', '"\\u0065poch"')];
    const reordered = JSON.stringify(Object.fromEntries(Object.entries(JSON.parse(TEXT)).toReversed()));
    const doubled = TEXT.replace('"epoch":1', '"epoch":2,"epoch":1');
    for (const spelling of [...spellings, reordered, doubled]) {
      expect(() => parseKeyset(spelling)).toThrow(refusal("keyset_not_canonical"));
    }
  });

  it("refuses an address or expiry that is not the keyset's own", () => {
    const otherKey = secp256k1.getPublicKey(new Uint8Array(32).fill(5));
    const address = TEXT.replace(toHex(ADDRESS), toHex(addressOf(otherKey)));
    const expiry = TEXT.replace('"not_after":1800000000', '"not_after":1800000001');
    for (const text of [address, expiry])
      expect(() => parseKeyset(text)).toThrow(refusal("keyset_prefix_mismatch"));
  });

  it("refuses unknown, missing and prototype members, at every level", () => {
    const change = (edit: (document: Record<string, Record<string, unknown>>) => void) => {
      const document = JSON.parse(TEXT);
      edit(document);
      return jcs(document as Json);
    };
    const texts = [
      "[]",
      "null",
      "{",
      "[".repeat(60_000),
      TEXT.padEnd(70_000),
      TEXT.replace('"epoch":1', '"__proto__":1'),
      change((document) => Object.assign(document, { extra: 1 })),
      change((document) => Object.assign(document.affidavit!, { c: 1 })),
      change((document) => delete document.subject),
      change((document) => delete document.affidavit!.tee),
      change((document) => Object.assign(document.affidavit!, { a: `0x${toHex(ADDRESS).toUpperCase()}` })),
      change((document) => Object.assign(document, { receipt_signing_keys: [] })),
      change((document) => Object.assign(document, { not_after: "1800000000" })),
    ];
    for (const text of texts) expect(() => parseKeyset(text)).toThrow(refusal("keyset_invalid"));
    const format = change((document) => Object.assign(document.affidavit!, { format: 2 }));
    expect(() => parseKeyset(format)).toThrow(refusal("format_version_unknown"));
  });
});

describe("report data", () => {
  it("refuses digests and nonces of another length", () => {
    expect(() => reportData(new Uint8Array(31), null)).toThrow(refusal("nonce_invalid"));
    expect(() => attestationStatement(new Uint8Array(32), new Uint8Array(33))).toThrow(
      refusal("nonce_invalid"),
    );
    expect(() => parseNonce("AB".repeat(32))).toThrow(refusal("nonce_invalid"));
    expect(parseNonce("ab".repeat(32))).toEqual(new Uint8Array(32).fill(0xab));
  });

  it("takes 32 zero bytes for a missing GPU nonce", () => {
    const digest = new Uint8Array(32).fill(1);
    expect(gpuNonce(digest, null)).toEqual(gpuNonce(digest, new Uint8Array(32)));
    expect(gpuNonce(digest, null)).not.toEqual(gpuNonce(digest, digest));
  });
});

const VECTORS = join(
  process.env.AFFIDAVIT_VECTORS ?? join(import.meta.dirname, "../../shared/vectors"),
  "aci/aci-test-vectors.md",
);

describe.skipIf(!existsSync(VECTORS))("ACI vectors (need the vectors folder: AFFIDAVIT_VECTORS)", () => {
  const lines = existsSync(VECTORS) ? readFileSync(VECTORS, "utf8").split("\n") : [];
  const after = (start: string) => lines.findLast((line) => line.startsWith(start))!.slice(start.length);
  const keyset = lines.find((line) => line.startsWith('{"e2ee_public_keys"'))!;
  const nonce = Uint8Array.from({ length: 32 }, (_, i) => i);

  it("gives the keyset digest of section 1", () => {
    expect(jcs(JSON.parse(keyset))).toBe(keyset);
    expect(`sha256:${toHex(keysetDigest(keyset))}`).toBe(after("workload_keyset_digest = "));
  });

  it("gives the statement and report data of section 2, with and without a nonce", () => {
    const digest = keysetDigest(keyset);
    const statements = lines.filter((line) => line.startsWith('{"keyset_digest"'));
    expect([attestationStatement(digest, nonce), attestationStatement(digest, null)]).toEqual(statements);
    const full = lines.find((line) => /^[0-9a-f]{128}$/.test(line))!;
    expect(reportData(digest, nonce)).toEqual(fromHex(full));
    expect(toHex(reportData(digest, nonce).subarray(0, 32))).toBe(
      after("report_data = sha256(statement) = "),
    );
    expect(toHex(reportData(digest, null).subarray(0, 32))).toBe(after("report_data = "));
  });

  it("does not take a plain ACI keyset for one of ours", () => {
    expect(() => parseKeyset(keyset)).toThrow(refusal("keyset_invalid"));
    expect(utf8(keyset).length).toBeLessThan(65_536);
  });
});
