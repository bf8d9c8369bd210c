import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fromHex, toBase64 } from "../../codec/index.ts";
import {
  appraise,
  DEFAULT_POLICY,
  parsePem,
  parsePolicy,
  REPORTING_POLICY,
  type AppraisalPolicy,
} from "../index.ts";

const folder = join(
  process.env["AFFIDAVIT_VECTORS"] ?? join(import.meta.dirname, "../../../shared/vectors"),
  "snp",
);
const present = existsSync(folder);

function read(name: string): Uint8Array {
  const bytes = new Uint8Array(readFileSync(join(folder, name)));
  return name.endsWith(".hex") ? fromHex(readFileSync(join(folder, name), "utf8").trim()) : bytes;
}

/** A certificate file as the endorsements take it: PEM text, or DER in base64. */
function certificates(...names: string[]): { certificates: string[] } {
  return {
    certificates: names.map((name) => {
      const bytes = read(name);
      return bytes[0] === 0x30 ? toBase64(bytes) : new TextDecoder().decode(bytes);
    }),
  };
}

function run(report: string, names: string[], policy: AppraisalPolicy = REPORTING_POLICY) {
  const now = new Date("2026-11-23T00:00:00Z");
  return appraise({ type: "sev-snp", quote: read(report) }, certificates(...names), { now, policy });
}

/** A policy that trusts the root in this file alone. */
function trusting(name: string): AppraisalPolicy {
  const certificate = toBase64(parsePem(new TextDecoder().decode(read(name)))[0]!);
  return parsePolicy({ formatVersion: 1, roots: [{ certificate }], codeIdentity: "reported" });
}

const why = present ? "" : " (skipped: the folder of vectors is not there)";

describe.skipIf(!present)(`real SEV-SNP reports${why}`, () => {
  test.each<[string, string[], string, number]>([
    ["coco-test-report.bin", ["coco-test-vcek.der"], "Milan", 2],
    ["coco-test-report.bin", ["coco-test-vcek.der", "coco-milan_ask_ark_asvk.pem"], "Milan", 2],
    [
      "virtee-report_milan.hex",
      ["virtee-vcek_milan.der", "virtee-milan-ask.pem", "virtee-milan-ark.pem"],
      "Milan",
      2,
    ],
    ["virtee-report_milan.hex", ["virtee-vcek_milan.der", "virtee-cert_chain_milan"], "Milan", 2],
    ["ms-genoa_attestation_report.bin", ["ms-genoa_vcek.pem"], "Genoa", 3],
    [
      "ms-genoa_attestation_report.bin",
      ["ms-genoa_vcek.pem", "ms-genoa_ask.pem", "virtee-genoa-ark.pem"],
      "Genoa",
      3,
    ],
  ])("%s with %s is accepted", (report, names, product, version) => {
    const result = run(report, names);
    expect(result).toMatchObject({
      verdict: "accepted",
      code: "ok",
      simulated: false,
      codeIdentity: "unchecked",
    });
    expect(result.claims).toMatchObject({ product, reportVersion: version, source: "hardware_proven" });
    expect(result.transcript).toContainEqual(
      expect.objectContaining({ step: "revocation", status: "skipped" }),
    );
  });

  test.each([
    ["coco-test-report.bin", ["coco-test-vcek-invalid-legacy.der"], "certificate_signature_invalid"],
    ["coco-test-report.bin", ["coco-test-vcek-invalid-new.der"], "certificate_signature_invalid"],
    ["google-attestation.bin", ["google-vcek.testcer", "google-milan.testcer"], "debug_enabled"],
    ["coco-test-report.bin", ["virtee-vcek_milan.der"], "report_signature_invalid"],
    ["coco-test-report.bin", ["ms-genoa_vcek.pem"], "report_signature_invalid"],
    ["coco-test-report.bin", ["coco-milan_ask_ark_asvk.pem"], "endorsement_missing"],
    ["coco-test-report.bin", ["coco-test-vcek.der", "google-vcek.testcer"], "endorsement_missing"],
    ["coco-test-report.bin", [], "endorsement_missing"],
  ])("%s with %s is rejected: %s", (report, names, code) => {
    expect(run(report, names)).toMatchObject({ verdict: "rejected", code });
  });

  test("debug is accepted where the policy says so, and is said to be on", () => {
    const policy = parsePolicy({ formatVersion: 1, codeIdentity: "reported", acceptDebug: true });
    const result = run("google-attestation.bin", ["google-vcek.testcer"], policy);
    expect(result).toMatchObject({ verdict: "accepted", claims: { guestPolicy: { debugAllowed: true } } });
    expect(result.transcript).toContainEqual(expect.objectContaining({ step: "debug", status: "skipped" }));
  });

  test("a pinned root named by its certificate stays the hardware maker's; another one does not do", () => {
    const named = run("coco-test-report.bin", ["coco-test-vcek.der"], trusting("virtee-milan-ark.pem"));
    expect(named).toMatchObject({
      verdict: "accepted",
      claims: { source: "hardware_proven", root: "ARK-Milan" },
    });
    const other = run("coco-test-report.bin", ["coco-test-vcek.der"], trusting("virtee-genoa-ark.pem"));
    expect(other).toMatchObject({ verdict: "rejected", code: "certificate_untrusted_root" });
  });

  test("the default policy wants to know the code", () => {
    const result = run("coco-test-report.bin", ["coco-test-vcek.der"], DEFAULT_POLICY);
    expect(result).toMatchObject({ verdict: "rejected", code: "code_identity_unchecked" });
  });

  test("a listed measurement is known code", () => {
    const { claims } = run("coco-test-report.bin", ["coco-test-vcek.der"]);
    const measurement = claims["measurement"] as string;
    const policy = parsePolicy({ formatVersion: 1, sevSnp: { measurements: [{ measurement }] } });
    const result = run("coco-test-report.bin", ["coco-test-vcek.der"], policy);
    expect(result).toMatchObject({ verdict: "accepted", codeIdentity: "matched" });
    const other = run("virtee-report_milan.hex", ["virtee-vcek_milan.der"], policy);
    expect(other).toMatchObject({ verdict: "rejected", code: "measurement_mismatch" });
  });
});

const REPORT_BYTES = 1184;
/** Where Azure's HCL reports hold the SEV-SNP report. */
const HCL_OFFSET = 32;

function base64Url(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, "base64url"));
}

describe.skipIf(!present)(`real SEV-SNP reports inside other evidence${why}`, () => {
  const now = new Date("2026-11-23T00:00:00Z");

  test("Azure, report version 2", () => {
    const quote = read("../vtpm-azure/coco-az-snp-vtpm-hcl-report.bin").subarray(
      HCL_OFFSET,
      HCL_OFFSET + REPORT_BYTES,
    );
    const endorsements = certificates("../vtpm-azure/coco-az-snp-vtpm-vcek.pem");
    const result = appraise({ type: "sev-snp", quote }, endorsements, { now, policy: REPORTING_POLICY });
    expect(result).toMatchObject({ code: "ok", claims: { product: "Milan", reportVersion: 2 } });
  });

  test("Azure, report version 3", () => {
    const text = new TextDecoder().decode(read("../vtpm-azure/coco-az-snp-vtpm-evidence-v1.json"));
    const { hcl_report, vcek } = JSON.parse(text) as { hcl_report: string; vcek: string };
    const quote = base64Url(hcl_report).subarray(HCL_OFFSET, HCL_OFFSET + REPORT_BYTES);
    const endorsements = { certificates: [toBase64(base64Url(vcek))] };
    const result = appraise({ type: "sev-snp", quote }, endorsements, { now, policy: REPORTING_POLICY });
    expect(result).toMatchObject({ code: "ok", claims: { product: "Milan", reportVersion: 3 } });
  });

  test("dstack", () => {
    const text = new TextDecoder().decode(read("../dstack/sev-snp-attestation.json"));
    const bytes = fromHex((JSON.parse(text) as { attestation: string }).attestation);
    const offset = 4;
    const pems = new TextDecoder("latin1").decode(bytes).split("-----BEGIN CERTIFICATE-----").slice(1);
    const endorsements = {
      certificates: pems.map(
        (rest) => `-----BEGIN CERTIFICATE-----${rest.split("-----END")[0]}-----END CERTIFICATE-----`,
      ),
    };
    const quote = bytes.subarray(offset, offset + REPORT_BYTES);
    const result = appraise({ type: "sev-snp", quote }, endorsements, { now, policy: REPORTING_POLICY });
    expect(result).toMatchObject({ code: "ok", claims: { product: "Milan", reportVersion: 3 } });
  });
});
