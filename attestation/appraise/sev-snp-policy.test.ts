import { generateKeyPairSync, sign } from "node:crypto";
import { describe, expect, test } from "vitest";
import { toBase64, utf8 } from "../../codec/index.ts";
import { REFERENCE_VALUES_PREFIX, type AppraisalPolicyInput } from "../index.ts";
import { appraiseTestNitro, appraiseTestSnp, repeatedHex, stepOf } from "../testing/appraise.ts";
import { testNitroDocument } from "../testing/nitro.ts";
import {
  encodeSnpTcb,
  TEST_SNP_CHIP_ID,
  TEST_SNP_TCB,
  testSnpEvidence,
  type TestSnpFields,
} from "../testing/sev-snp.ts";

type Rules = NonNullable<AppraisalPolicyInput["sevSnp"]>;

function genoa(change: object): Uint8Array {
  return encodeSnpTcb({ ...TEST_SNP_TCB.Genoa, ...change }, "Genoa");
}

describe("signed, but not acceptable", () => {
  test.each<[string, TestSnpFields, string]>([
    ["debugging allowed", { policy: 0xb_0000n }, "debug_enabled"],
    ["asked for by the host", { vmpl: 0xffff_ffffn }, "vmpl_not_allowed"],
    ["from VMPL 4", { vmpl: 4n }, "vmpl_not_allowed"],
    ["signature algorithm 0", { signatureAlgorithm: 0n }, "report_signature_algorithm"],
    ["signature algorithm 2", { signatureAlgorithm: 2n }, "report_signature_algorithm"],
    ["signed by no key", { keyInfo: 0x1cn }, "report_unsigned"],
    ["the chip key masked", { keyInfo: 2n }, "report_unsigned"],
    ["CPUID of Milan", { cpuidModel: 1n }, "product_mismatch"],
    ["CPUID of no product", { cpuidModel: 0x61n }, "product_unknown"],
    ["a reported TCB of another firmware", { reportedTcb: genoa({ snp: 24 }) }, "tcb_mismatch"],
    [
      "a reserved byte in the reported TCB",
      { reportedTcb: Uint8Array.of(10, 1, 1, 0, 0, 0, 23, 84) },
      "report_reserved",
    ],
    [
      "a reserved byte in the launch TCB",
      { launchTcb: Uint8Array.of(10, 1, 0, 0, 0, 1, 23, 84) },
      "report_reserved",
    ],
    ["a current TCB below the reported", { currentTcb: genoa({ snp: 22 }) }, "tcb_inconsistent"],
    ["a committed TCB above the current", { committedTcb: genoa({ microcode: 85 }) }, "tcb_inconsistent"],
    ["another chip", { chipId: TEST_SNP_CHIP_ID.Milan }, "chip_id_mismatch"],
  ])("%s", (_, fields, code) => {
    expect(appraiseTestSnp(testSnpEvidence({ fields }))).toMatchObject({ verdict: "rejected", code });
  });

  test("a VLEK's report may come from a platform that masks its chip key", () => {
    expect(appraiseTestSnp(testSnpEvidence({ kind: "vlek", fields: { keyInfo: 6n } })).code).toBe("ok");
  });

  test("debugging accepted by name", () => {
    const result = appraiseTestSnp(testSnpEvidence({ fields: { policy: 0xb_0000n } }), {
      policy: { acceptDebug: true },
    });
    expect(result.code).toBe("ok");
    expect(stepOf(result, "debug")?.status).toBe("skipped");
  });

  test.each<[string, Rules, Rules, string]>([
    ["VMPL", { vmpl: { least: 1, most: 1 } }, { vmpl: { least: 0, most: 0 } }, "vmpl_not_allowed"],
    ["least VMPL", { vmpl: { least: 1, most: 3 } }, { vmpl: { least: 2, most: 3 } }, "vmpl_not_allowed"],
    [
      "host data",
      { hostData: [repeatedHex(1, 32), repeatedHex(0x40, 32)] },
      { hostData: [repeatedHex(1, 32)] },
      "host_data_mismatch",
    ],
    [
      "family id",
      { familyIds: [repeatedHex(0x11, 16)] },
      { familyIds: [repeatedHex(1, 16)] },
      "id_block_mismatch",
    ],
    [
      "image id",
      { imageIds: [repeatedHex(0x12, 16)] },
      { imageIds: [repeatedHex(1, 16)] },
      "id_block_mismatch",
    ],
    [
      "id key",
      { idKeyDigests: [repeatedHex(0x1d, 48)] },
      { idKeyDigests: [repeatedHex(1, 48)] },
      "id_block_mismatch",
    ],
    [
      "author key",
      { authorKeyDigests: [repeatedHex(0xa0, 48)] },
      { authorKeyDigests: [repeatedHex(1, 48)] },
      "id_block_mismatch",
    ],
    [
      "report id",
      { reportIds: [repeatedHex(0x77, 32)] },
      { reportIds: [repeatedHex(1, 32)] },
      "report_id_mismatch",
    ],
    ["chip", { chipIds: [repeatedHex(0xc1, 64)] }, { chipIds: [repeatedHex(1, 64)] }, "platform_not_allowed"],
    ["product", { products: ["Turin", "Genoa"] }, { products: ["Milan"] }, "platform_not_allowed"],
    ["signing key", { signingKeys: ["vcek"] }, { signingKeys: ["vlek"] }, "signing_key_not_allowed"],
    [
      "SMT",
      { guestPolicy: { smtAllowed: true } },
      { guestPolicy: { smtAllowed: false } },
      "guest_policy_not_allowed",
    ],
    [
      "migration",
      { guestPolicy: { migrationAgentAllowed: false } },
      { guestPolicy: { migrationAgentAllowed: true } },
      "guest_policy_not_allowed",
    ],
    [
      "single socket",
      { guestPolicy: { singleSocketRequired: false } },
      { guestPolicy: { singleSocketRequired: true } },
      "guest_policy_not_allowed",
    ],
    [
      "CXL",
      { guestPolicy: { cxlAllowed: false } },
      { guestPolicy: { cxlAllowed: true } },
      "guest_policy_not_allowed",
    ],
    [
      "AES-256-XTS",
      { guestPolicy: { memAes256XtsRequired: false } },
      { guestPolicy: { memAes256XtsRequired: true } },
      "guest_policy_not_allowed",
    ],
    [
      "RAPL",
      { guestPolicy: { raplDisableRequired: false } },
      { guestPolicy: { raplDisableRequired: true } },
      "guest_policy_not_allowed",
    ],
    [
      "ciphertext hiding",
      { guestPolicy: { ciphertextHidingRequired: false } },
      { guestPolicy: { ciphertextHidingRequired: true } },
      "guest_policy_not_allowed",
    ],
    [
      "page swap",
      { guestPolicy: { pageSwapDisabled: false } },
      { guestPolicy: { pageSwapDisabled: true } },
      "guest_policy_not_allowed",
    ],
    [
      "least ABI",
      { minimumAbi: { major: 1, minor: 0x36 } },
      { minimumAbi: { major: 1, minor: 0x37 } },
      "guest_policy_not_allowed",
    ],
    ["guest SVN", { minimumGuestSvn: 7 }, { minimumGuestSvn: 8 }, "guest_svn_too_low"],
    [
      "platform SMT",
      { platformInfo: { smtEnabled: true } },
      { platformInfo: { smtEnabled: false } },
      "platform_info_not_allowed",
    ],
    [
      "alias check",
      { platformInfo: { aliasCheckComplete: true } },
      { platformInfo: { aliasCheckComplete: false } },
      "platform_info_not_allowed",
    ],
    [
      "platform hiding",
      { platformInfo: { ciphertextHidingEnabled: false } },
      { platformInfo: { ciphertextHidingEnabled: true } },
      "platform_info_not_allowed",
    ],
    [
      "reported TCB",
      { minimumTcb: { Genoa: { reported: { snp: 23, microcode: 84 } } } },
      { minimumTcb: { Genoa: { reported: { snp: 24 } } } },
      "tcb_too_old",
    ],
    [
      "committed TCB",
      { minimumTcb: { Genoa: { committed: { bootloader: 10 } } } },
      { minimumTcb: { Genoa: { committed: { bootloader: 11 } } } },
      "tcb_too_old",
    ],
    [
      "launch TCB",
      { minimumTcb: { Genoa: { launch: { tee: 1 } } } },
      { minimumTcb: { Genoa: { launch: { tee: 2 } } } },
      "tcb_too_old",
    ],
    [
      "another product's TCB",
      { minimumTcb: { Milan: { reported: { snp: 255 } } } },
      { minimumTcb: { Genoa: { reported: { fmc: 1 } } } },
      "tcb_too_old",
    ],
    [
      "firmware",
      { minimumFirmware: { major: 1, minor: 55, build: 40 } },
      { minimumFirmware: { major: 1, minor: 55, build: 41 } },
      "firmware_too_old",
    ],
    [
      "provisional firmware",
      { acceptProvisionalFirmware: true },
      { acceptProvisionalFirmware: false },
      "firmware_provisional",
    ],
    [
      "launch mitigations",
      { mitigations: { launch: "0000000000000003" } },
      { mitigations: { launch: "0000000000000007" } },
      "mitigations_missing",
    ],
    [
      "current mitigations",
      { mitigations: { current: "0000000000000005" } },
      { mitigations: { current: "8000000000000001" } },
      "mitigations_missing",
    ],
  ])("by %s", (_, good, bad, code) => {
    const evidence = testSnpEvidence();
    expect(appraiseTestSnp(evidence, { policy: { sevSnp: good } }).code).toBe("ok");
    expect(appraiseTestSnp(evidence, { policy: { sevSnp: bad } })).toMatchObject({
      verdict: "rejected",
      code,
    });
  });

  test("mitigations cannot be shown before report version 4", () => {
    const policy = { sevSnp: { mitigations: { current: "0000000000000000" } } };
    expect(appraiseTestSnp(testSnpEvidence({ version: 3 }), { policy }).code).toBe("mitigations_missing");
  });

  test("an author key is there only where the report says so", () => {
    const authorKeyDigests = [repeatedHex(0xa0, 48)];
    const evidence = testSnpEvidence({ fields: { keyInfo: 0n } });
    expect(appraiseTestSnp(evidence, { policy: { sevSnp: { authorKeyDigests } } }).code).toBe(
      "id_block_mismatch",
    );
  });

  test("the provider of a VLEK", () => {
    const evidence = testSnpEvidence({ kind: "vlek" });
    expect(appraiseTestSnp(evidence, { policy: { sevSnp: { cspIds: ["Test Cloud"] } } }).code).toBe("ok");
    expect(appraiseTestSnp(evidence, { policy: { sevSnp: { cspIds: ["Other"] } } }).code).toBe(
      "platform_not_allowed",
    );
    const vcek = testSnpEvidence();
    expect(appraiseTestSnp(vcek, { policy: { sevSnp: { cspIds: ["Test Cloud"] } } }).code).toBe(
      "platform_not_allowed",
    );
  });

  test("unknown platform bits are reported, and refused where the policy says so", () => {
    const evidence = testSnpEvidence({ fields: { platformInfo: 1n << 40n } });
    const result = appraiseTestSnp(evidence);
    expect(result.claims).toMatchObject({ platformInfo: { unknownBits: "0000010000000000" } });
    const refused = appraiseTestSnp(evidence, { policy: { sevSnp: { acceptUnknownPlatformBits: false } } });
    expect(refused.code).toBe("platform_info_not_allowed");
  });

  test("firmware that is committed needs no leave", () => {
    const evidence = testSnpEvidence({ fields: { currentBuild: 40n } });
    expect(appraiseTestSnp(evidence, { policy: { sevSnp: { acceptProvisionalFirmware: false } } }).code).toBe(
      "ok",
    );
    const running = encodeSnpTcb({ ...TEST_SNP_TCB.Milan, snp: 25 }, "Milan");
    const ahead = testSnpEvidence({ product: "Milan", fields: { currentBuild: 40n, currentTcb: running } });
    expect(appraiseTestSnp(ahead, { policy: { sevSnp: { acceptProvisionalFirmware: false } } }).code).toBe(
      "firmware_provisional",
    );
  });

  test("report data and code identity", () => {
    const evidence = testSnpEvidence();
    const expectedReportData = new Uint8Array(64).fill(0xda);
    expect(appraiseTestSnp(evidence, { expectedReportData }).code).toBe("ok");
    expect(appraiseTestSnp(evidence, { expectedReportData: new Uint8Array(64) }).code).toBe(
      "report_data_mismatch",
    );
    expect(appraiseTestSnp(evidence, { policy: { codeIdentity: "required" } }).code).toBe(
      "code_identity_unchecked",
    );
    const measurement = {
      measurement: repeatedHex(0x3e, 48),
      hostData: repeatedHex(0x40, 32),
      minimumGuestSvn: 7,
    };
    const known = appraiseTestSnp(evidence, {
      policy: { codeIdentity: "required", sevSnp: { measurements: [measurement] } },
    });
    expect(known).toMatchObject({ verdict: "accepted", codeIdentity: "matched" });
    for (const change of [
      { measurement: repeatedHex(1, 48) },
      { hostData: repeatedHex(1, 32) },
      { minimumGuestSvn: 8 },
    ]) {
      const policy = { sevSnp: { measurements: [{ ...measurement, ...change }] } };
      expect(appraiseTestSnp(evidence, { policy }).code).toBe("measurement_mismatch");
    }
  });
});

describe("signed reference values", () => {
  const { privateKey, publicKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const signer = toBase64(new Uint8Array(publicKey.export({ type: "spki", format: "der" })));

  function signedSet(measurements: object) {
    const times = { validFrom: "2026-01-01T00:00:00Z", validUntil: "2027-01-01T00:00:00Z" };
    const text = JSON.stringify({ formatVersion: 1, subject: "test image", ...times, measurements });
    const message = utf8(REFERENCE_VALUES_PREFIX + text);
    const signature = sign("sha256", message, { key: privateKey, dsaEncoding: "ieee-p1363" });
    return {
      referenceValueSigners: [signer],
      referenceValues: [{ text, signature: toBase64(new Uint8Array(signature)), signer }],
    };
  }

  test("name guests", () => {
    const measurement = repeatedHex(0x3e, 48);
    const known = appraiseTestSnp(testSnpEvidence(), { policy: signedSet({ sevSnp: [{ measurement }] }) });
    expect(known).toMatchObject({ code: "ok", codeIdentity: "matched" });
    const other = signedSet({ sevSnp: [{ measurement, hostData: repeatedHex(1, 32) }] });
    expect(appraiseTestSnp(testSnpEvidence(), { policy: other }).code).toBe("measurement_mismatch");
  });

  test("name enclaves", () => {
    const policy = signedSet({ nitro: [{ pcr0: repeatedHex(0x30, 48) }] });
    expect(appraiseTestNitro(testNitroDocument(), { policy })).toMatchObject({
      code: "ok",
      codeIdentity: "matched",
    });
    const other = signedSet({ nitro: [{ pcr0: repeatedHex(0x31, 48) }] });
    expect(appraiseTestNitro(testNitroDocument(), { policy: other }).code).toBe("measurement_mismatch");
  });
});
