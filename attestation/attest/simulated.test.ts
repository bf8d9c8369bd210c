import { describe, expect, test } from "vitest";
import { equal, sha256, toHex } from "../../codec/index.ts";
import {
  appraise,
  DEFAULT_POLICY,
  INTEL_SGX_ROOT,
  parsePolicy,
  REPORTING_POLICY,
  SIMULATED_POLICY,
  SIMULATED_SGX_ROOT,
} from "../index.ts";
import { createSimulatedAttester, parseSelection } from "./index.ts";
import { simulatedChains } from "./simulated-platform.ts";

const now = new Date("2026-08-15T10:30:00Z");
const reportData = Uint8Array.from({ length: 64 }, (_, i) => i);

async function evidenceOf() {
  const attester = createSimulatedAttester();
  const quote = await attester.quote(reportData);
  return { evidence: { type: "tdx" as const, quote }, endorsements: await attester.endorsements(now) };
}

describe("the simulated TEE", () => {
  test("is verified by the code that verifies hardware, and called by its name", async () => {
    const { evidence, endorsements } = await evidenceOf();
    const options = { now, policy: SIMULATED_POLICY, expectedReportData: reportData };
    const result = appraise(evidence, endorsements, options);
    expect(result).toMatchObject({
      verdict: "accepted",
      code: "ok",
      tcbStatus: "UpToDate",
      simulated: true,
      codeIdentity: "unchecked",
    });
    expect(result.reportData).toEqual(reportData);
    expect(result.claims["source"]).toBe("simulated");
    expect(new Set(result.transcript.map(({ source }) => source))).toEqual(new Set(["simulated"]));
  });

  test.each([
    ["default", DEFAULT_POLICY],
    ["reporting", REPORTING_POLICY],
  ])("is refused by name under the %s policy", async (_name, policy) => {
    const { evidence, endorsements } = await evidenceOf();
    const result = appraise(evidence, endorsements, { now, policy });
    expect(result).toMatchObject({ verdict: "rejected", code: "simulated_refused", simulated: true });
  });

  test("stays simulated where a policy brings its root as a certificate", async () => {
    const { evidence, endorsements } = await evidenceOf();
    const certificate = Buffer.from(SIMULATED_SGX_ROOT.certificate.der).toString("base64");
    const policy = parsePolicy({ formatVersion: 1, codeIdentity: "reported", roots: [{ certificate }] });
    expect(appraise(evidence, endorsements, { now, policy })).toMatchObject({ code: "ok", simulated: true });
  });

  test("has collateral for a month, the same bytes all day", async () => {
    const attester = createSimulatedAttester();
    const quote = await attester.quote(reportData);
    const endorsements = await attester.endorsements(now);
    expect(await attester.endorsements(new Date("2026-08-15T23:59:59Z"))).toEqual(endorsements);
    const codeAt = (at: string) =>
      appraise({ type: "tdx", quote }, endorsements, { now: new Date(at), policy: SIMULATED_POLICY }).code;
    expect(codeAt("2026-08-14T00:00:00Z")).toBe("ok");
    expect(codeAt("2026-08-13T23:59:59Z")).toBe("tcb_info_not_yet_valid");
    expect(codeAt("2026-09-13T00:00:00Z")).toBe("ok");
    expect(codeAt("2026-09-13T00:00:01Z")).toBe("tcb_info_expired");
  });

  test("quotes 64 bytes, no more and no fewer", async () => {
    const attester = createSimulatedAttester();
    for (const byteLength of [0, 63, 65]) {
      await expect(attester.quote(new Uint8Array(byteLength))).rejects.toThrow(
        expect.objectContaining({ code: "report_data_size" }),
      );
    }
  });

  test("is not what `auto` falls back to", () => {
    expect(parseSelection("auto").map(({ name }) => name)).not.toContain("simulated");
  });
});

describe("pinned roots", () => {
  test("the simulated one is made from its public key pair, byte for byte", () => {
    expect(equal(simulatedChains().root, SIMULATED_SGX_ROOT.certificate.der)).toBe(true);
  });

  test.each([INTEL_SGX_ROOT, SIMULATED_SGX_ROOT])(
    "$name has the fingerprint that is written down",
    (root) => {
      expect(toHex(sha256(root.certificate.der))).toBe(root.fingerprint);
    },
  );
});
