import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fromHex, toBase64 } from "../../codec/index.ts";
import { appraise, DEFAULT_POLICY, parsePolicy, REPORTING_POLICY, type AppraisalPolicy } from "../index.ts";

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
