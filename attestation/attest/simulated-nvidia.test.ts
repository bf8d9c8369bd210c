import { describe, expect, test } from "vitest";
import { equal, sha256, toBase64, toHex, utf8 } from "../../codec/index.ts";
import {
  appraise,
  DEFAULT_POLICY,
  parsePolicy,
  REPORTING_POLICY,
  SIMULATED_NVIDIA_ROOT,
  SIMULATED_POLICY,
} from "../index.ts";
import { listEntry, testDevice, testReport } from "../testing/nvidia.ts";
import { gpuEvidenceList } from "./nvml.ts";
import { simulatedGpuEndorsements, simulatedGpuEvidence, simulatedGpuKeys } from "./simulated-nvidia.ts";

const now = new Date("2026-11-23T00:00:00Z");
const nonce = new Uint8Array(32).fill(9);
const evidence = {
  type: "nvidia-gpu",
  quote: utf8(gpuEvidenceList([simulatedGpuEvidence(nonce)], nonce)),
} as const;

describe("a simulated GPU", () => {
  test("passes every check that hardware passes, and is called simulated", () => {
    const options = { now, policy: SIMULATED_POLICY, expectedNonce: nonce };
    const result = appraise(evidence, simulatedGpuEndorsements(), options);
    expect(result).toMatchObject({
      verdict: "accepted",
      simulated: true,
      codeIdentity: "matched",
      claims: { source: "simulated", measurements: "matched", submods: { gpu0: { driverVersion: "0.0.1" } } },
    });
    expect(result.claims["statement"]).toBe("GPU evidence SIMULATED");
    expect(result.transcript.every(({ source }) => source === "simulated")).toBe(true);
    expect(result.transcript.filter(({ status }) => status !== "pass").map(({ step }) => step)).toEqual([
      "rim0.revocation",
      "rim1.revocation",
      "revocation",
      "report_data",
    ]);
  });

  test.each([
    ["the default policy", DEFAULT_POLICY],
    ["the reporting policy", REPORTING_POLICY],
  ])("is refused by %s, whatever else is wrong with it", (_name, policy) => {
    for (const expectedNonce of [nonce, new Uint8Array(32)]) {
      const result = appraise(evidence, null, { now, policy, expectedNonce });
      expect(result).toMatchObject({ verdict: "rejected", code: "simulated_refused", simulated: true });
    }
  });

  test("stays simulated where a policy brings its root as a certificate", () => {
    const certificate = toBase64(SIMULATED_NVIDIA_ROOT.certificate.der);
    const policy = parsePolicy({ formatVersion: 1, codeIdentity: "reported", roots: [{ certificate }] });
    expect(appraise(evidence, null, { now, policy })).toMatchObject({ code: "ok", simulated: true });
  });

  test("its manifests make other devices simulated", () => {
    const device = testDevice();
    const quote = utf8(JSON.stringify([listEntry(testReport({ device, nonce }), device, nonce)]));
    const roots = [{ certificate: toBase64(device.certificates.at(-1)!) }];
    const policy = parsePolicy({ formatVersion: 1, codeIdentity: "reported", roots });
    const result = appraise({ type: "nvidia-gpu", quote }, simulatedGpuEndorsements(), { now, policy });
    expect(result).toMatchObject({ code: "simulated_refused", simulated: true });
  });

  test("is refused over another nonce", () => {
    const expectedNonce = new Uint8Array(32);
    const result = appraise(evidence, null, { now, policy: SIMULATED_POLICY, expectedNonce });
    expect(result).toMatchObject({ verdict: "rejected", code: "nonce_mismatch", simulated: true });
  });

  test("leads to the pinned root, made from its public key pair byte for byte", () => {
    const { der } = SIMULATED_NVIDIA_ROOT.certificate;
    expect(equal(simulatedGpuKeys().chain.at(-1)!, der)).toBe(true);
    expect(toHex(sha256(der))).toBe(SIMULATED_NVIDIA_ROOT.fingerprint);
  });
});
