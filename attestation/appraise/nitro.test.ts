import { describe, expect, test } from "vitest";
import { sha256, toBase64, toHex, utf8 } from "../../codec/index.ts";
import { AWS_NITRO_ROOT } from "../endorsements/aws-roots.ts";
import type { AppraisalPolicyInput } from "../index.ts";
import { appraiseTestNitro, repeatedHex, stepOf } from "../testing/appraise.ts";
import { TEST_KEY_USAGE, testCertificate, testKey, type TestCertificate } from "../testing/certificates.ts";
import {
  TEST_NITRO_TIME,
  testNitroChain,
  testNitroDocument,
  testNitroFields,
  type TestCbor,
} from "../testing/nitro.ts";

const HOUR_MS = 3_600_000;
const good = testNitroDocument();

test("a good document is accepted, tagged or not", () => {
  for (const tagged of [false, true]) {
    const result = appraiseTestNitro(testNitroDocument(testNitroFields(), { tagged }));
    expect(result).toMatchObject({
      verdict: "accepted",
      code: "ok",
      simulated: false,
      codeIdentity: "unchecked",
    });
    expect(result.claims).toMatchObject({
      source: "operator_asserted",
      moduleId: "i-0123456789abcdef0-enc0123456789abcdef",
      timestamp: "2026-11-01T12:00:00.123Z",
      userData: toHex(utf8("test user data")),
    });
    expect(result.reportData).toEqual(utf8("test user data"));
    expect(stepOf(result, "revocation")?.status).toBe("skipped");
  }
});

test("AWS's pinned root has the fingerprint that AWS documents", () => {
  const documented = "641a0321a3e244efe456463195d606317ed7cdcc3c1756e09893f3c68f79bb5b";
  expect(toHex(sha256(AWS_NITRO_ROOT.certificate.der))).toBe(documented);
  expect(AWS_NITRO_ROOT.fingerprint).toBe(documented);
});

function withBundle(...bundle: Uint8Array[]): Uint8Array {
  return testNitroDocument(testNitroFields().set("cabundle", bundle));
}

/** The good document with another certificate of its signer, by default one under the good chain. */
function withSigner(options: Partial<TestCertificate>, ...bundle: Uint8Array[]): Uint8Array {
  const { signer, zone, cabundle } = testNitroChain();
  const certificate = testCertificate({
    subject: signer,
    issuer: zone,
    keyUsage: TEST_KEY_USAGE.signer,
    ...options,
  });
  const fields = testNitroFields().set("certificate", certificate);
  return testNitroDocument(fields.set("cabundle", bundle.length > 0 ? bundle : [...cabundle]));
}

function codeAt(offsetMs: number, policy: Partial<AppraisalPolicyInput> = {}): string {
  return appraiseTestNitro(good, { now: new Date(TEST_NITRO_TIME.getTime() + offsetMs), policy }).code;
}

describe("chains", () => {
  const { zone: zoneKey, cabundle } = testNitroChain();
  const [root, region, zone] = cabundle as [Uint8Array, Uint8Array, Uint8Array];
  const stranger = testKey("test.nitro-enclaves", "p384");
  const strangeRoot = testCertificate({ subject: stranger, issuer: stranger, authority: true, keyUsage: 6 });
  const below = testKey("below.test.nitro-enclaves", "p384");
  const belowDer = testCertificate({ subject: below, issuer: zoneKey, authority: 0, keyUsage: 4 });
  const rsa = testKey("rsa.test.nitro-enclaves", "rsa");

  test.each<[string, Uint8Array, string]>([
    ["the signer's certificate again", withSigner({}), "ok"],
    ["another root", withBundle(strangeRoot, region, zone), "certificate_untrusted_root"],
    ["the root left out", withBundle(region, zone), "certificate_untrusted_root"],
    ["the root last", withBundle(zone, region, root), "certificate_untrusted_root"],
    ["an authority left out", withBundle(root, zone), "certificate_issuer_mismatch"],
    ["authorities in another order", withBundle(root, zone, region), "certificate_issuer_mismatch"],
    ["an authority twice", withBundle(root, region, zone, zone), "certificate_issuer_mismatch"],
    [
      "an authority that is no certificate",
      withBundle(root, region, zone.subarray(1)),
      "certificate_malformed",
    ],
    [
      "a signer that another key issued",
      withSigner({ issuer: { ...below, commonName: zoneKey.commonName } }),
      "certificate_signature_invalid",
    ],
    ["a signer that is an authority", withSigner({ authority: 0 }), "certificate_ca_as_leaf"],
    [
      "a signer that may not sign",
      withSigner({ keyUsage: TEST_KEY_USAGE.certSign }),
      "certificate_key_usage",
    ],
    ["a signer without key usage", withSigner({ keyUsage: undefined }), "certificate_key_usage"],
    ["a signer of another key type", withSigner({ subject: rsa }), "document_signature_invalid"],
    ["a signer of another key", withSigner({ subject: stranger }), "document_signature_invalid"],
    [
      "a chain longer than an authority allows",
      withSigner({ issuer: below }, root, region, zone, belowDer),
      "certificate_path_length",
    ],
  ])("%s", (_, document, code) => {
    expect(appraiseTestNitro(document).code).toBe(code);
  });

  test.each([
    ["may not sign certificates", 0x80, "certificate_key_usage"],
    ["does not say what it may", undefined, "certificate_key_usage"],
  ] as const)("an authority that %s", (_, keyUsage, code) => {
    const own = testCertificate({ subject: stranger, issuer: stranger, authority: true, keyUsage });
    const policy = { roots: [{ certificate: toBase64(own) }] };
    const document = withSigner({ issuer: stranger }, own);
    expect(appraiseTestNitro(document, { policy }).code).toBe(code);
  });

  test("dates are those of now, which the verifier gives", () => {
    expect(codeAt(-0.9 * HOUR_MS)).toBe("ok");
    expect(codeAt(1.9 * HOUR_MS)).toBe("ok");
    expect(codeAt(2.1 * HOUR_MS)).toBe("certificate_expired");
    expect(codeAt(-1.1 * HOUR_MS)).toBe("certificate_not_yet_valid");
  });

  test.each(["hardware", "simulated"] as const)("%s roots are not this one's", (name) => {
    expect(appraiseTestNitro(good, { policy: { roots: [name] } }).code).toBe("certificate_untrusted_root");
  });
});

function hexOf(text: string): string {
  return toHex(utf8(text));
}

function withPcrs(entries: [number | string, TestCbor][]): Uint8Array {
  return testNitroDocument(testNitroFields().set("pcrs", new Map(entries)));
}

describe("policy", () => {
  type Rules = NonNullable<AppraisalPolicyInput["nitro"]>;
  test.each<[string, Rules, Rules, string]>([
    [
      "a register",
      { pcrs: { "0": repeatedHex(0x30, 48), "15": repeatedHex(0, 48) } },
      { pcrs: { "1": repeatedHex(0, 48) } },
      "pcr_mismatch",
    ],
    ["a register of another length", { pcrs: {} }, { pcrs: { "1": repeatedHex(0x31, 32) } }, "pcr_mismatch"],
    ["a missing register", { pcrs: {} }, { pcrs: { "16": repeatedHex(0, 48) } }, "pcr_missing"],
    ["the nonce", { nonce: hexOf("test nonce") }, { nonce: hexOf("test Nonce") }, "nonce_mismatch"],
    ["the user data", { userData: hexOf("test user data") }, { userData: "" }, "user_data_mismatch"],
    [
      "the public key",
      { publicKey: hexOf("test public key") },
      { publicKey: hexOf("x") },
      "public_key_mismatch",
    ],
    ["age", { maximumAgeSeconds: 0 }, {}, "ok"],
    [
      "measurements",
      { measurements: [{ pcr0: repeatedHex(0x30, 48) }] },
      { measurements: [{ pcr0: repeatedHex(0, 48) }] },
      "measurement_mismatch",
    ],
    [
      "any of several",
      {
        measurements: [
          { pcr8: repeatedHex(1, 48) },
          { pcr8: repeatedHex(0, 48), pcr1: repeatedHex(0x31, 48) },
        ],
      },
      { measurements: [{ pcr8: repeatedHex(0, 48), pcr1: repeatedHex(0, 48) }] },
      "measurement_mismatch",
    ],
  ])("by %s", (_, accepts, refuses, code) => {
    expect(appraiseTestNitro(good, { policy: { nitro: accepts } }).code).toBe("ok");
    expect(appraiseTestNitro(good, { policy: { nitro: refuses } }).code).toBe(code);
  });

  test("absent values match nothing", () => {
    const fields = testNitroFields().set("nonce", null);
    fields.delete("user_data");
    const bare = testNitroDocument(fields);
    expect(appraiseTestNitro(bare, { policy: { nitro: { nonce: "" } } }).code).toBe("nonce_mismatch");
    expect(appraiseTestNitro(bare, { policy: { nitro: { userData: "" } } }).code).toBe("user_data_mismatch");
    expect(appraiseTestNitro(bare).reportData).toEqual(new Uint8Array(0));
  });

  test("age is judged where the policy names one", () => {
    const policy = { nitro: { maximumAgeSeconds: 60 } };
    expect(codeAt(60_000, policy)).toBe("ok");
    expect(codeAt(61_000, policy)).toBe("document_too_old");
    expect(codeAt(-300_000, policy)).toBe("ok");
    expect(codeAt(-302_000, policy)).toBe("document_from_future");
  });

  test("report data is the user data", () => {
    expect(appraiseTestNitro(good, { expectedReportData: utf8("test user data") }).code).toBe("ok");
    expect(appraiseTestNitro(good, { expectedReportData: utf8("other") }).code).toBe("report_data_mismatch");
  });

  test("code identity", () => {
    expect(appraiseTestNitro(good, { policy: { codeIdentity: "required" } }).code).toBe(
      "code_identity_unchecked",
    );
    const nitro = { measurements: [{ pcr0: repeatedHex(0x30, 48) }] };
    const known = appraiseTestNitro(good, { policy: { codeIdentity: "required", nitro } });
    expect(known).toMatchObject({ verdict: "accepted", codeIdentity: "matched" });
  });

  test("debug mode is PCR 0 of zeros", () => {
    const pcrs = testNitroFields().get("pcrs") as Map<number | string, TestCbor>;
    const debug = withPcrs([...pcrs.set(0, new Uint8Array(48))]);
    expect(appraiseTestNitro(debug).code).toBe("debug_enabled");
    const accepted = appraiseTestNitro(debug, { policy: { acceptDebug: true } });
    expect(accepted.code).toBe("ok");
    expect(stepOf(accepted, "debug")?.status).toBe("skipped");
    expect(appraiseTestNitro(withPcrs([[1, new Uint8Array(48)]])).code).toBe("pcr_missing");
  });
});
