import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { fromBase64 } from "../../codec/index.ts";
import { appraise, parsePolicy, REPORTING_POLICY, type AppraisalPolicy } from "../index.ts";
import { nitroDocumentBytes, parseNitroDocument } from "../parse/nitro.ts";

const folder = join(
  process.env["AFFIDAVIT_VECTORS"] ?? join(import.meta.dirname, "../../../shared/vectors"),
  "nitro",
);
const present = existsSync(folder);

function read(name: string): Uint8Array {
  if (name.endsWith("-base64")) return fromBase64(readFileSync(join(folder, name), "utf8").trim());
  return new Uint8Array(readFileSync(join(folder, name)));
}

/** When the hypervisor made the document. */
function documentTime(quote: Uint8Array): Date {
  return new Date(parseNitroDocument(nitroDocumentBytes(quote).bytes).timestampMs);
}

function run(name: string, policy: AppraisalPolicy = REPORTING_POLICY, now?: Date) {
  const quote = read(name);
  return appraise({ type: "nitro", quote }, null, { now: now ?? documentTime(quote), policy });
}

const VALID = [
  "evervault-beta-valid-attestation-doc-bytes",
  "evervault-beta-non-debug-cert-containing-attestation-document-18-1-23.pem",
  "evervault-beta-non-debug-cert-containing-attestation-document-18-1-23-der.crt",
];
const DEBUG = [
  "evervault-beta-debug-mode-attestation-doc-bytes",
  "evervault-beta-debug-mode-cert-containing-attestation-doc-18-1-23.pem",
  "evervault-valid-attestation-doc-base64",
];
const why = present ? "" : " (skipped: the folder of vectors is not there)";
const acceptDebug = parsePolicy({ formatVersion: 1, codeIdentity: "reported", acceptDebug: true });

interface Spec {
  readonly file?: string;
  readonly attestationDoc?: string;
  readonly pcrs: Record<string, string>;
  readonly shouldPcrsMatch: boolean;
}

/** The cases of the vectors' own: which registers must match, and whether they do. */
const SPECS = [
  "evervault-test-specs-beta-valid_attestation_doc_in_cert_time_sensitive.json",
  "evervault-test-specs-beta-valid_attestation_doc_check_pcr8_only_time_sensitive.json",
  "evervault-test-specs-beta-valid_attestation_doc_in_cert_der_encoding_time_sensitive.json",
  "evervault-test-specs-beta-valid_attestation_doc_in_non_debug_mode_with_correct_pcrs_time_sensitive.json",
  "evervault-test-specs-ga-valid_attestation_doc_ga.json",
];

describe.skipIf(!present)(`real Nitro documents${why}`, () => {
  test.each(VALID)("%s is accepted at its own time", (name) => {
    const result = run(name);
    expect(result).toMatchObject({ verdict: "accepted", code: "ok", simulated: false });
    expect(result.claims).toMatchObject({ source: "hardware_proven", root: "aws.nitro-enclaves" });
  });

  test.each(DEBUG)("%s is rejected: debug mode", (name) => {
    expect(run(name)).toMatchObject({ verdict: "rejected", code: "debug_enabled" });
    expect(run(name, acceptDebug)).toMatchObject({ verdict: "accepted" });
  });

  test.each(["evervault-certificate.der", "evervault-valid-certificate.der", "aws-nitro-root.pem"])(
    "%s carries no document",
    (name) => {
      const result = run(name, REPORTING_POLICY, new Date("2026-11-23T00:00:00Z"));
      expect(result).toMatchObject({ verdict: "rejected", code: "document_malformed" });
    },
  );

  test.each(VALID)("%s is rejected hours later and hours before", (name) => {
    const made = documentTime(read(name)).getTime();
    const later = run(name, REPORTING_POLICY, new Date(made + 4 * 3_600_000));
    expect(later).toMatchObject({ verdict: "rejected", code: "certificate_expired" });
    const before = run(name, REPORTING_POLICY, new Date(made - 4 * 3_600_000));
    expect(before).toMatchObject({ verdict: "rejected", code: "certificate_not_yet_valid" });
  });

  test.each(SPECS)("the registers of %s match as it says", (name) => {
    const spec = JSON.parse(readFileSync(join(folder, name), "utf8")) as Spec;
    const file = (spec.file ?? spec.attestationDoc)!.replace("test-data/", "evervault-").replace("/", "-");
    const pcrs = Object.fromEntries(Object.entries(spec.pcrs).map(([key, value]) => [key.slice(3), value]));
    const policy = parsePolicy({
      formatVersion: 1,
      codeIdentity: "reported",
      acceptDebug: true,
      nitro: { pcrs },
    });
    expect(run(file, policy).verdict).toBe(spec.shouldPcrsMatch ? "accepted" : "rejected");
  });

  test("PCRs that are not hex are no policy, others are refused by name", () => {
    const wrong = { pcr0: "00".repeat(48), pcr1: "0incorrect0" };
    expect(() => parsePolicy({ formatVersion: 1, nitro: { measurements: [wrong] } })).toThrow(
      "policy is not valid",
    );
    const policy = parsePolicy({ formatVersion: 1, nitro: { measurements: [{ pcr0: "00".repeat(48) }] } });
    expect(run(VALID[1]!, policy)).toMatchObject({ verdict: "rejected", code: "measurement_mismatch" });
  });

  test("a listed PCR 0 is known code", () => {
    const pcrs = run(VALID[1]!).claims["pcrs"] as Record<string, string>;
    const policy = parsePolicy({
      formatVersion: 1,
      nitro: { measurements: [{ pcr0: pcrs["0"]!, pcr8: pcrs["8"]! }] },
    });
    expect(run(VALID[1]!, policy)).toMatchObject({ verdict: "accepted", codeIdentity: "matched" });
  });
});
