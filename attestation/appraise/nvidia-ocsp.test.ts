import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, toBase64 } from "../../codec/index.ts";
import { appraise, parsePolicy } from "../index.ts";
import { testDevice, testReport, testRim, testRimSigner } from "../testing/nvidia.ts";
import { delegatedResponder, testOcsp, type TestOcspStatus } from "../testing/ocsp.ts";

const device = testDevice();
const [, brom, identity, root] = device.certificates as [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
const signer = testRimSigner();
const report = testReport();
const ofIdentity = { certificate: identity, issuer: root };
const ofBrom = { certificate: brom, issuer: identity };
const rootResponder = { key: device.root };
const identityResponder = { key: device.identity };

function run(
  responses: readonly Uint8Array[],
  ocsp: "reported" | "required" = "reported",
  rims: readonly string[] = [],
) {
  const policy = parsePolicy({
    formatVersion: 1,
    roots: [{ certificate: toBase64(root) }],
    codeIdentity: "reported",
    nvidia: { ocsp, rimRoots: [{ certificate: toBase64(signer.rootDer) }] },
  });
  const endorsements = {
    certificates: device.certificates.map(toBase64),
    ocspResponses: responses.map(toBase64),
    rims,
  };
  return appraise({ type: "nvidia-gpu", quote: report }, endorsements, {
    now: new Date("2026-11-23T00:00:00Z"),
    policy,
  });
}

const goodRoot = testOcsp(rootResponder, ofIdentity);
const goodIdentity = testOcsp(identityResponder, ofBrom);

test("good statuses, from the issuer or one it made for this, whatever the hash", () => {
  expect(run([goodRoot, goodIdentity], "required").code).toBe("ok");
  const delegated = testOcsp(delegatedResponder(device.root), { ...ofIdentity, hash: "sha1" });
  expect(run([delegated, goodIdentity], "required").code).toBe("ok");
  expect(run([]).transcript.find(({ step }) => step === "revocation")?.status).toBe("skipped");
});

test("a policy that requires them wants one for each certificate that names a responder", () => {
  expect(run([], "required").code).toBe("ocsp_missing");
  expect(run([goodRoot], "required").code).toBe("ocsp_missing");
  expect(run([goodRoot]).code).toBe("ok");
});

function at(status: Partial<TestOcspStatus>): string {
  return run([testOcsp(rootResponder, { ...ofIdentity, ...status })]).code;
}

function day(text: string): Date {
  return new Date(`${text}T00:00:00Z`);
}

describe("what rejects", () => {
  test.each<[string, Partial<TestOcspStatus>, string]>([
    ["a revocation", { status: "revoked" }, "certificate_revoked"],
    ["a hold", { status: "hold" }, "certificate_revoked"],
    ["a revocation of long ago", { status: "revoked", nextUpdate: day("2026-01-01") }, "certificate_revoked"],
    ["a certificate that nobody knows", { status: "unknown" }, "ocsp_certificate_unknown"],
    ["a status of the future", { thisUpdate: day("2026-11-24") }, "ocsp_not_yet_valid"],
    ["a status of the past", { nextUpdate: day("2026-11-22") }, "ocsp_expired"],
    ["an old status without an end", { thisUpdate: day("2026-11-01"), nextUpdate: null }, "ocsp_expired"],
    ["a new status without an end", { nextUpdate: null }, "ok"],
  ])("%s", (_, status, code) => {
    expect(at(status)).toBe(code);
  });

  test("responders that are none of the issuer's", () => {
    expect(run([testOcsp(identityResponder, ofIdentity)]).code).toBe("ocsp_signature_invalid");
    expect(run([testOcsp(delegatedResponder(device.identity), ofIdentity)]).code).toBe(
      "ocsp_signature_invalid",
    );
    const server = delegatedResponder(device.root, "1.3.6.1.5.5.7.3.1");
    expect(run([testOcsp(server, ofIdentity)]).code).toBe("ocsp_signature_invalid");
  });

  test("one bad status among good ones", () => {
    const revoked = testOcsp(identityResponder, { ...ofBrom, status: "revoked" });
    expect(run([goodRoot, goodIdentity, revoked]).code).toBe("certificate_revoked");
  });

  test("a revoked signer of a manifest", () => {
    const rim = testRim({ version: "1.2", measurements: new Map([[1, [new Uint8Array(48)]]]) }, signer);
    const revoked = testOcsp(
      { key: signer.root },
      { certificate: signer.signerDer, issuer: signer.rootDer, status: "revoked" },
    );
    const result = run([revoked], "reported", [rim]);
    expect(result.code).toBe("certificate_revoked");
    expect(result.transcript.at(-1)?.step).toBe("rim0.revocation");
  });
});

test("changed responses are rejected, or change nothing", () => {
  const edit = fc.record({
    start: fc.nat({ max: goodRoot.length - 1 }),
    bytes: fc.uint8Array({ maxLength: 3 }),
    cut: fc.nat({ max: 3 }),
  });
  fc.assert(
    fc.property(edit, ({ start, bytes, cut }) => {
      const changed = concat(goodRoot.subarray(0, start), bytes, goodRoot.subarray(start + cut));
      const { code } = run([changed, goodIdentity], "required");
      if (toBase64(changed) === toBase64(goodRoot)) expect(code).toBe("ok");
      else expect(["ocsp_malformed", "ocsp_signature_invalid", "ocsp_missing"]).toContain(code);
    }),
    { numRuns: 500 },
  );
});
