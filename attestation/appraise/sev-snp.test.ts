import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, sha256, toBase64, toHex } from "../../codec/index.ts";
import { pem } from "../attest/der-write.ts";
import { AMD_INTERMEDIATES, AMD_ROOTS } from "../endorsements/amd-roots.ts";
import type { Appraisal } from "../index.ts";
import { appraiseTestSnp, fastestMs, stepOf, testCertificates } from "../testing/appraise.ts";
import { TEST_KEY_USAGE, testCertificate, testCrl, testKey } from "../testing/certificates.ts";
import {
  TEST_SNP_CHIP_ID,
  TEST_SNP_TCB,
  testSnpAuthorities,
  testSnpEvidence,
  testSnpKeyCertificate,
  type TestSnpOptions,
} from "../testing/sev-snp.ts";

describe("good reports", () => {
  const cases = (["Milan", "Genoa", "Turin"] as const).flatMap((product) =>
    ([2, 3, 4, 5] as const).flatMap((version) =>
      (["vcek", "vlek"] as const).map((kind) => [product, version, kind] as const),
    ),
  );

  test.each(cases)("%s, version %i, signed by a %s", (product, version, kind) => {
    const result = appraiseTestSnp(testSnpEvidence({ product, version, kind }));
    expect(result).toMatchObject({ verdict: "accepted", code: "ok", simulated: false });
    const { fmc, ...tcb } = TEST_SNP_TCB[product];
    const reportedTcb = fmc === undefined ? tcb : { ...tcb, fmc };
    expect(result.claims).toMatchObject({ product, reportVersion: version, signingKey: kind, reportedTcb });
    expect(result.claims["source"]).toBe("operator_asserted");
    expect(stepOf(result, "chip_id")?.status).toBe(kind === "vcek" ? "pass" : "skipped");
    expect(stepOf(result, "revocation")?.status).toBe("skipped");
  });

  test.each(["Milan", "Genoa", "Turin"] as const)("%s with hwID as an OCTET STRING", (product) => {
    expect(appraiseTestSnp(testSnpEvidence({ product, certificate: { wrapped: true } })).code).toBe("ok");
  });

  test("certificates may be PEM, several in a text, the root among them", () => {
    const evidence = testSnpEvidence();
    const text = [...evidence.certificates, evidence.root].map((der) => pem("CERTIFICATE", der)).join("\n");
    expect(appraiseTestSnp(evidence, { endorsements: { certificates: [text] } }).code).toBe("ok");
  });

  test("a masked chip identifier cannot be compared, and the transcript says so", () => {
    const result = appraiseTestSnp(testSnpEvidence({ fields: { chipId: new Uint8Array(64) } }));
    expect(result.code).toBe("ok");
    expect(stepOf(result, "chip_id")).toMatchObject({
      status: "skipped",
      detail: "the platform masks its chip identifier",
    });
  });
});

function withCertificate(options: TestSnpOptions["certificate"], rest: TestSnpOptions = {}): string {
  return appraiseTestSnp(testSnpEvidence({ ...rest, certificate: options ?? {} })).code;
}

describe("endorsements", () => {
  const evidence = testSnpEvidence();
  const [vcek, ask] = evidence.certificates as [Uint8Array, Uint8Array];

  test.each<[string, unknown, string]>([
    ["none", {}, "endorsement_missing"],
    ["null members", { certificates: null, crls: null }, "endorsement_missing"],
    ["authorities alone", testCertificates(ask), "endorsement_missing"],
    ["two endorsement keys", testCertificates(vcek, vcek, ask), "endorsement_missing"],
    ["no authority", testCertificates(vcek), "certificate_issuer_mismatch"],
    ["a text that is no base64", { certificates: ["?"] }, "endorsements_malformed"],
    ["a certificate that is none", testCertificates(vcek.subarray(1), ask), "certificate_malformed"],
    [
      "bytes after a certificate",
      testCertificates(concat(vcek, Uint8Array.of(0)), ask),
      "certificate_malformed",
    ],
    ["an array", [], "endorsements_malformed"],
    ["a list that is a text", { certificates: "x" }, "endorsements_malformed"],
    ["too many texts", { certificates: Array.from({ length: 17 }, () => "") }, "endorsements_malformed"],
    ["a number in the list", { certificates: [1] }, "endorsements_malformed"],
    ["PEM of another label", { certificates: [pem("X509 CRL", vcek)] }, "endorsements_malformed"],
  ])("%s", (_, endorsements, code) => {
    expect(appraiseTestSnp(evidence, { endorsements })).toMatchObject({ verdict: "rejected", code });
  });

  test.each(["hardware", "simulated"] as const)("%s roots do not vouch for a test key", (root) => {
    expect(appraiseTestSnp(evidence, { policy: { roots: [root] } }).code).toBe("certificate_untrusted_root");
  });

  test("a supplied root that is not the trusted one", () => {
    const { root } = testSnpAuthorities("Genoa");
    const forged = testCertificate({
      subject: root,
      issuer: root,
      authority: true,
      keyUsage: TEST_KEY_USAGE.authority,
      serial: 7,
    });
    expect(appraiseTestSnp(evidence, { endorsements: testCertificates(vcek, ask, forged) }).code).toBe(
      "certificate_untrusted_root",
    );
  });

  test("an authority that the root did not sign", () => {
    const { ask: key, root } = testSnpAuthorities("Genoa");
    const stranger = { ...testKey("x", "p384"), commonName: root.commonName };
    const forged = testCertificate({
      subject: key,
      issuer: stranger,
      authority: 0,
      keyUsage: TEST_KEY_USAGE.certSign,
    });
    expect(appraiseTestSnp(evidence, { endorsements: testCertificates(vcek, forged) }).code).toBe(
      "certificate_algorithm_unsupported",
    );
  });

  const tcb = TEST_SNP_TCB.Genoa;

  test.each([
    ["another chip", { hardwareId: TEST_SNP_CHIP_ID.Milan }, "chip_id_mismatch"],
    ["hwID of 8 bytes on Genoa", { hardwareId: TEST_SNP_CHIP_ID.Turin }, "endorsement_malformed"],
    ["no hwID", { bare: true }, "endorsement_malformed"],
    ["bootloader above", { tcb: { ...tcb, bootloader: 11 } }, "tcb_mismatch"],
    ["bootloader below", { tcb: { ...tcb, bootloader: 9 } }, "tcb_mismatch"],
    ["another TEE", { tcb: { ...tcb, tee: 0 } }, "tcb_mismatch"],
    ["another SNP", { tcb: { ...tcb, snp: 22 } }, "tcb_mismatch"],
    ["another microcode", { tcb: { ...tcb, microcode: 200 } }, "tcb_mismatch"],
    ["a security version above 255", { tcb: { ...tcb, microcode: 256 } }, "endorsement_malformed"],
    ["another product's name", { productName: "Milan-B0" }, "product_mismatch"],
    ["an unknown product's name", { productName: "Rome-B0" }, "product_unknown"],
    ["expired", { notAfter: new Date("2026-11-22T00:00:00Z") }, "certificate_expired"],
  ] as const)("a VCEK certificate with %s", (_, options, code) => {
    expect(withCertificate(options)).toBe(code);
  });

  test("a VCEK issued by the authority for VLEKs, and a VLEK by the one for VCEKs", () => {
    const { ask: askKey, asvk, asvkDer } = testSnpAuthorities("Genoa");
    for (const [kind, issuer, authority] of [
      ["vcek", asvk, asvkDer],
      ["vlek", askKey, ask],
    ] as const) {
      const crossed = testSnpEvidence({ kind, certificate: { issuer } });
      const endorsements = testCertificates(crossed.certificates[0]!, authority);
      expect(appraiseTestSnp(crossed, { endorsements }).code).toBe("product_mismatch");
    }
  });

  test("Turin's hwID has 8 bytes, and its certificate the FMC", () => {
    const turin = { product: "Turin" } as const;
    expect(withCertificate({ hardwareId: new Uint8Array(64).fill(0xc2) }, turin)).toBe(
      "endorsement_malformed",
    );
    expect(withCertificate({ tcb: { ...TEST_SNP_TCB.Turin, fmc: undefined } }, turin)).toBe(
      "endorsement_malformed",
    );
    expect(withCertificate({ tcb: { ...TEST_SNP_TCB.Turin, fmc: 2 } }, turin)).toBe("tcb_mismatch");
    expect(withCertificate({ hardwareId: new Uint8Array(8) }, turin)).toBe("chip_id_mismatch");
  });

  test("a key of another kind than the report names", () => {
    expect(appraiseTestSnp(testSnpEvidence({ kind: "vlek", fields: { keyInfo: 1n } })).code).toBe(
      "endorsement_mismatch",
    );
    expect(appraiseTestSnp(testSnpEvidence({ fields: { keyInfo: 5n } })).code).toBe("endorsement_mismatch");
  });

  test("a key on another curve, and one that is an authority's subject", () => {
    const rsa = testSnpAuthorities("Genoa").root;
    const wrongKey = testSnpKeyCertificate(rsa, { product: "Genoa", kind: "vcek", tcb });
    expect(appraiseTestSnp(evidence, { endorsements: testCertificates(wrongKey, ask) }).code).toBe(
      "endorsement_malformed",
    );
    const leaf = testCertificate({
      subject: testKey("SEV-OTHER", "p384"),
      issuer: testSnpAuthorities("Genoa").ask,
    });
    expect(appraiseTestSnp(evidence, { endorsements: testCertificates(leaf, ask) }).code).toBe(
      "endorsement_malformed",
    );
  });
});

describe("revocation lists", () => {
  const evidence = testSnpEvidence();
  const { root, ask } = testSnpAuthorities("Genoa");
  const withCrls = (...crls: Uint8Array[]) =>
    appraiseTestSnp(evidence, {
      endorsements: { certificates: evidence.certificates.map(toBase64), crls: crls.map(toBase64) },
    });

  test("a good one is used, and one in PEM too", () => {
    const der = testCrl({ issuer: root, revokedSerials: [3, 4] });
    expect(stepOf(withCrls(der), "revocation")).toMatchObject({ status: "pass" });
    const endorsements = { certificates: evidence.certificates.map(toBase64), crls: [pem("X509 CRL", der)] };
    expect(appraiseTestSnp(evidence, { endorsements }).code).toBe("ok");
  });

  test.each([
    ["that lists the authority", testCrl({ issuer: root, revokedSerials: [0x10001] }), "certificate_revoked"],
    ["out of date", testCrl({ issuer: root, nextUpdate: new Date("2026-11-22T00:00:00Z") }), "crl_expired"],
    [
      "of the future",
      testCrl({ issuer: root, thisUpdate: new Date("2026-11-24T00:00:00Z") }),
      "crl_not_yet_valid",
    ],
    ["by a stranger", testCrl({ issuer: { ...ask, commonName: root.commonName } }), "crl_signature_invalid"],
    [
      "by no authority of the chain",
      testCrl({ issuer: testKey("ARK-Milan", "p384") }),
      "crl_issuer_mismatch",
    ],
    ["by an authority that may not sign any", testCrl({ issuer: ask }), "certificate_key_usage"],
    ["that is garbage", new Uint8Array(64).fill(0x30), "crl_malformed"],
    ["that is empty", new Uint8Array(0), "crl_malformed"],
  ])("one %s is refused, behind a good one too", (_, der, code) => {
    expect(withCrls(der).code).toBe(code);
    expect(withCrls(testCrl({ issuer: root }), der).code).toBe(code);
  });
});

test("AMD's pinned authorities have the fingerprints that are written beside them", () => {
  for (const { name, fingerprint, certificate } of [...AMD_ROOTS, ...AMD_INTERMEDIATES]) {
    expect(toHex(sha256(certificate.der)), name).toBe(fingerprint);
  }
});

test("changed evidence and endorsements are rejected by code, quickly, and never throw", () => {
  const evidence = testSnpEvidence();
  const inputs = [evidence.report, ...evidence.certificates];
  const change = fc.record({
    input: fc.nat({ max: inputs.length - 1 }),
    at: fc.nat(),
    bytes: fc.uint8Array({ maxLength: 6 }),
    removed: fc.nat({ max: 6 }),
  });
  fc.assert(
    fc.property(change, ({ input, at, bytes, removed }) => {
      const before = inputs[input]!;
      const start = at % before.length;
      const after = concat(before.subarray(0, start), bytes, before.subarray(start + removed));
      fc.pre(toHex(after) !== toHex(before));
      const changed = inputs.map((value, index) => (index === input ? after : value));
      const [report, ...certificates] = changed as [Uint8Array, ...Uint8Array[]];
      let result: Appraisal | undefined;
      const call = () => void (result = appraiseTestSnp({ ...evidence, report, certificates }));
      expect(fastestMs(call, 100)).toBeLessThan(100);
      expect(result).toMatchObject({ verdict: "rejected", code: expect.stringMatching(/^[a-z_]+$/) });
    }),
    { numRuns: 10_000 },
  );
}, 60_000);
