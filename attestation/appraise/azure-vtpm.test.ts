import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, toBase64, toBase64Url, toHex, utf8 } from "../../codec/index.ts";
import {
  appraise,
  CollateralCache,
  parsePolicy,
  REPORTING_POLICY,
  type AppraisalPolicyInput,
} from "../index.ts";
import { HCL_FIELDS } from "../parse/azure-hcl.ts";
import { testCertificates } from "../testing/appraise.ts";
import {
  azureJson,
  TEST_AZURE_NONCE,
  testAk,
  testAzure,
  testPcrs,
  testRuntimeData,
  type TestAzureEvidence,
} from "../testing/azure-vtpm.ts";
import { rootCertificate, testCollateral, testPki, TEST_NOW } from "../testing/dcap.ts";
import { VECTORS_FOLDER } from "../testing/vectors.ts";

const good = testAzure();
const goodTdx = testAzure({ platform: "tdx" });
const roots = [
  { certificate: toBase64(good.snpRoot) },
  { certificate: toBase64(rootCertificate(testPki())) },
];
const collateral = testCollateral("tdx4");
const cache = new CollateralCache();

function run(
  quote: Uint8Array,
  changes: Partial<AppraisalPolicyInput> = {},
  more: {
    readonly platform?: "tdx";
    readonly expectedNonce?: Uint8Array;
    readonly expectedReportData?: Uint8Array;
  } = {},
) {
  const policy = parsePolicy({ formatVersion: 1, roots, codeIdentity: "reported", ...changes });
  const endorsements = more.platform === "tdx" ? collateral : testCertificates(...good.certificates);
  const { expectedNonce, expectedReportData } = more;
  const options = { now: TEST_NOW, policy, cache, expectedNonce, expectedReportData };
  return appraise({ type: "azure-vtpm", quote }, endorsements, options);
}

function withHcl(hclReport: Uint8Array): Uint8Array {
  return azureJson({ ...good, hclReport });
}

test("SEV-SNP and TDX are accepted, the nonce being the TPM quote's", () => {
  const snp = run(
    azureJson(good),
    {},
    { expectedNonce: TEST_AZURE_NONCE, expectedReportData: TEST_AZURE_NONCE },
  );
  expect(snp.code).toBe("ok");
  expect(snp.reportData).toEqual(TEST_AZURE_NONCE);
  expect(snp.claims["azureVtpm"]).toMatchObject({
    platform: "sev-snp",
    nonce: toHex(TEST_AZURE_NONCE),
    resetCount: 2,
    vmConfiguration: { "secure-boot": true },
    userData: "00".repeat(64),
  });
  const tdx = run(azureJson(goodTdx), {}, { platform: "tdx" });
  expect(tdx.code).toBe("ok");
  expect(tdx.claims["azureVtpm"]).toMatchObject({ platform: "tdx" });
  expect(run(azureJson(good), {}, { expectedNonce: utf8("another") }).code).toBe("tpm_nonce_mismatch");
  expect(run(azureJson(good), {}, { expectedReportData: utf8("another") }).code).toBe("report_data_mismatch");
});

test("every form in which bytes are written", () => {
  const { hclReport, message, signature, pcrs } = good;
  const lists = {
    quote: { message: [...message], signature: [...signature], pcrs: pcrs.map((pcr) => [...pcr]) },
    report: [...hclReport],
  };
  expect(run(utf8(JSON.stringify(lists))).code).toBe("ok");
  expect(run(azureJson(good, { version: 2, hcl_report: toBase64Url(hclReport) })).code).toBe("ok");
  expect(run(azureJson(good, { vcek: toBase64Url(good.certificates[0]!) })).code).toBe("ok");
  expect(run(azureJson(good, { version: 3 })).code).toBe("azure_malformed");
});

describe("every field of the paravisor's report", () => {
  /** A flip of the field's first bit; padding and sizes that nothing rests on make no difference. */
  const EXPECTED: Record<(typeof HCL_FIELDS)[number]["name"], string> = {
    signature: "azure_malformed",
    version: "ok",
    reportSize: "ok",
    requestType: "ok",
    status: "ok",
    reserved: "ok",
    hardwareReport: "report_version",
    dataSize: "ok",
    dataVersion: "ok",
    reportType: "azure_report_type_unsupported",
    hashType: "azure_malformed",
    variableDataSize: "azure_malformed",
  };

  test.each(HCL_FIELDS)("$name", ({ name, offset }) => {
    const changed = good.hclReport.slice();
    changed[offset]! ^= name === "hardwareReport" ? 0x40 : 1;
    expect(run(withHcl(changed)).code).toBe(EXPECTED[name]);
  });

  test("the runtime data is vouched for to the last byte", () => {
    for (const at of [1236, 1300, good.hclReport.length - 66]) {
      const changed = good.hclReport.slice();
      changed[at]! ^= 1;
      expect([
        "azure_malformed",
        "azure_runtime_data_mismatch",
        "azure_ak_missing",
        "azure_ak_unsupported",
      ]).toContain(run(withHcl(changed)).code);
    }
  });

  test("the hardware's report data is the hash and zeros", () => {
    expect(run(azureJson(testAzure({ reportData: new Uint8Array(64) }))).code).toBe(
      "azure_runtime_data_mismatch",
    );
    expect(run(azureJson(testAzure({ hashType: 2 }))).code).toBe("azure_runtime_data_mismatch");
    expect(run(azureJson(testAzure({ hashType: 9 }))).code).toBe("azure_malformed");
  });
});

test.each<[string, object, string]>([
  ["no key", { keys: [] }, "azure_ak_missing"],
  [
    "two keys",
    { keys: [...(testRuntimeData()["keys"] as object[]), (testRuntimeData()["keys"] as object[])[0]] },
    "azure_ak_missing",
  ],
  ["no list", { keys: {} }, "azure_malformed"],
  ["a curve", { keys: [{ kid: "HCLAkPub", kty: "EC" }] }, "azure_ak_unsupported"],
  [
    "another exponent",
    { keys: [{ kid: "HCLAkPub", kty: "RSA", e: "Aw", n: testAk().modulus }] },
    "azure_ak_unsupported",
  ],
  [
    "a short modulus",
    { keys: [{ kid: "HCLAkPub", kty: "RSA", e: "AQAB", n: "AQAB" }] },
    "azure_ak_unsupported",
  ],
  ["user data that is none", { "user-data": "zz" }, "azure_malformed"],
  ["a configuration that is none", { "vm-configuration": 7 }, "azure_malformed"],
  ["no configuration", { "vm-configuration": undefined, "user-data": undefined }, "ok"],
])("runtime data with %s", (_, changes, code) => {
  expect(run(azureJson(testAzure({ runtimeData: testRuntimeData(changes) }))).code).toBe(code);
});

function flipAt(at: number): (bytes: Uint8Array) => Uint8Array {
  return (bytes) => bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
}

function wanted(index: string, value: number): Partial<AppraisalPolicyInput> {
  return { azureVtpm: { pcrs: { [index]: toHex(new Uint8Array(32).fill(value)) } } };
}

describe("the TPM quote", () => {
  test.each<[string, (quote: Uint8Array) => Uint8Array, string]>([
    ["not made by a TPM", flipAt(0), "tpm_quote_malformed"],
    ["of another kind", flipAt(5), "tpm_quote_malformed"],
    ["cut short", (quote) => quote.subarray(0, -1), "tpm_quote_malformed"],
    ["with more behind", (quote) => concat(quote, Uint8Array.of(0)), "tpm_quote_malformed"],
    ["of two banks", flipAt(66 + TEST_AZURE_NONCE.length + 4), "tpm_quote_unsupported"],
    ["of another bank", flipAt(66 + TEST_AZURE_NONCE.length + 6), "tpm_quote_unsupported"],
    ["of other registers", (quote) => quote.with(quote.length - 35, 0x7f), "tpm_pcr_digest_mismatch"],
    ["of other values", (quote) => quote.with(quote.length - 1, 1), "tpm_pcr_digest_mismatch"],
  ])("%s", (_, change, code) => {
    expect(run(azureJson(testAzure({ quote: change }))).code).toBe(code);
  });

  test("changed after it was signed, or by another key", () => {
    for (let at = 8; at < good.message.length - 37; at += 5) {
      expect(run(azureJson({ ...good, message: flipAt(at)(good.message) })).verdict).toBe("rejected");
    }
    expect(run(azureJson({ ...good, signature: flipAt(9)(good.signature) })).code).toBe(
      "tpm_quote_signature_invalid",
    );
    expect(run(azureJson({ ...good, message: flipAt(50)(good.message) })).code).toBe(
      "tpm_quote_signature_invalid",
    );
  });

  test.each(Array.from({ length: 24 }, (_, i) => i))("PCR %i counts", (index) => {
    const pcrs = testPcrs().with(index, new Uint8Array(32).fill(0xee));
    expect(run(azureJson({ ...good, pcrs })).code).toBe("tpm_pcr_digest_mismatch");
  });
});

test("a selection of PCRs is what is vouched for", () => {
  const some = testAzure({ selection: Uint8Array.of(0x81, 0, 0) });
  const result = run(azureJson(some));
  expect(result.code).toBe("ok");
  expect(Object.keys((result.claims["azureVtpm"] as { pcrs: object }).pcrs)).toEqual(["0", "7"]);
  expect(run(azureJson(some), wanted("7", 7)).code).toBe("ok");
  expect(run(azureJson(some), wanted("7", 8)).code).toBe("tpm_pcr_mismatch");
  expect(run(azureJson(some), wanted("4", 4)).code).toBe("tpm_pcr_missing");
});

test("secure boot, where the policy wants it", () => {
  const azureVtpm = { requireSecureBoot: true };
  expect(run(azureJson(good), { azureVtpm }).code).toBe("ok");
  const off = testAzure({ runtimeData: testRuntimeData({ "vm-configuration": { "secure-boot": false } }) });
  expect(run(azureJson(off), { azureVtpm }).code).toBe("platform_not_allowed");
});

test.each<[string, (evidence: TestAzureEvidence) => Uint8Array]>([
  ["not JSON", () => utf8("x")],
  ["no object", () => utf8("[]")],
  ["no quote", (evidence) => azureJson(evidence, { tpm_quote: undefined })],
  ["23 PCRs", (evidence) => azureJson({ ...evidence, pcrs: evidence.pcrs.slice(1) })],
  ["a short PCR", (evidence) => azureJson({ ...evidence, pcrs: evidence.pcrs.with(0, new Uint8Array(31)) })],
  ["no report", (evidence) => azureJson(evidence, { hcl_report: undefined })],
  ["numbers that are no bytes", (evidence) => azureJson(evidence, { hcl_report: [256] })],
  ["a TD's without its quote", () => azureJson(goodTdx, { td_quote: undefined })],
])("%s is malformed", (_, make) => {
  expect(run(make(good)).code).toBe("azure_malformed");
});

test("changed evidence is rejected by code, or says the same", () => {
  const seed = azureJson(good);
  const { claims } = run(seed);
  const edit = fc.record({
    at: fc.nat({ max: seed.length - 1 }),
    bytes: fc.uint8Array({ maxLength: 6 }),
    cut: fc.nat({ max: 6 }),
  });
  fc.assert(
    fc.property(edit, ({ at, bytes, cut }) => {
      const result = run(concat(seed.subarray(0, at), bytes, seed.subarray(at + cut)));
      expect(result.code).toMatch(/^[a-z0-9_]+$/);
      if (result.code === "ok") expect(result.claims).toEqual(claims);
    }),
    { numRuns: 500 },
  );
});

const folder = join(VECTORS_FOLDER, "vtpm-azure");
const why = existsSync(folder) ? "" : " (skipped: the folder of vectors is not there)";

function real(name: string, expectedNonce: Uint8Array) {
  const quote = new Uint8Array(readFileSync(join(folder, name)));
  const options = { now: new Date("2026-11-23T00:00:00Z"), policy: REPORTING_POLICY, expectedNonce };
  return appraise({ type: "azure-vtpm", quote }, undefined, options);
}

describe.skipIf(!existsSync(folder))(`real Azure evidence${why}`, () => {
  test.each(["coco-az-snp-vtpm-evidence-v0.json", "coco-az-snp-vtpm-evidence-v1.json"])(
    "%s is accepted",
    (name) => {
      const result = real(name, utf8("challenge"));
      expect(result).toMatchObject({ verdict: "accepted", code: "ok" });
      expect(result.claims).toMatchObject({ source: "hardware_proven", azureVtpm: { platform: "sev-snp" } });
      expect(real(name, utf8("another")).code).toBe("tpm_nonce_mismatch");
    },
  );

  test("a TD's lacks only collateral", () => {
    const result = real("coco-az-tdx-vtpm-evidence-v0.json", utf8("challenge"));
    expect(result.code).toBe("collateral_missing");
    const passed = result.transcript.filter(({ status }) => status === "pass").map(({ step }) => step);
    expect(passed).toEqual(expect.arrayContaining(["runtime_data", "tpm_signature", "pcr_digest", "nonce"]));
  });
});
