import { p256 } from "@noble/curves/nist.js";
import { describe, expect, test } from "vitest";
import { concat, fromHex, toBase64, toHex, utf8 } from "../../codec/index.ts";
import { developmentKey } from "../attest/simulated-pki.ts";
import {
  appraise,
  AttestationError,
  DEFAULT_POLICY,
  parsePolicy,
  REFERENCE_VALUES_PREFIX,
  REPORTING_POLICY,
  SIMULATED_POLICY,
  type AppraisalPolicyInput,
} from "../index.ts";
import * as evidence from "../testing/dcap.ts";
import { SPKI_PREFIX } from "../verify/spki.ts";
import { REFUSED_TD_ATTRIBUTE_BITS } from "./dcap-attributes.ts";

const pki = evidence.testPki();
const BASE: AppraisalPolicyInput = {
  formatVersion: 1,
  codeIdentity: "reported",
  roots: [{ certificate: toBase64(evidence.rootCertificate(pki)) }],
};

interface Run {
  readonly kind?: evidence.QuoteKind;
  readonly quote?: evidence.QuoteOptions;
  readonly collateral?: evidence.CollateralOptions;
  readonly policy?: Partial<AppraisalPolicyInput>;
  readonly expectedReportData?: Uint8Array;
}

function run({ kind = "tdx4", quote, collateral, policy, expectedReportData }: Run) {
  return appraise(
    { type: kind === "sgx3" ? "sgx" : "tdx", quote: evidence.testQuote(kind, quote) },
    evidence.testCollateral(kind, collateral),
    { now: evidence.TEST_NOW, policy: parsePolicy({ ...BASE, ...policy }), expectedReportData },
  );
}

/** SEPT_VE_DISABLE with these bits besides. */
function attributes(...bits: number[]): Uint8Array {
  const bytes = fromHex("0000001000000000");
  for (const bit of bits) bytes[bit >> 3]! |= 1 << (bit & 7);
  return bytes;
}

describe("TD attributes", () => {
  test.each([...REFUSED_TD_ATTRIBUTE_BITS].map(([bit, { code }]) => [bit, code] as const))(
    "bit %i is refused unless the policy names it",
    (bit, code) => {
      const quote = { body: { tdAttributes: attributes(bit) } };
      expect(run({ quote }).code).toBe(code);
      expect(run({ quote, policy: { tdx: { acceptedAttributeBits: [bit] } } }).code).toBe("ok");
    },
  );

  test("what TDX 1.5 added is accepted", () => {
    const tdAttributes = attributes(16, 18, 19, 20, 21, 22, 27, 30, 31, 62, 63);
    expect(run({ quote: { body: { tdAttributes } } }).code).toBe("ok");
  });

  test("every bit is refused, accepted or debug", () => {
    const accepted = [0, 16, 18, 19, 20, 21, 22, 27, 28, 30, 31, 62, 63];
    expect([...REFUSED_TD_ATTRIBUTE_BITS.keys(), ...accepted].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 64 }, (_, bit) => bit),
    );
  });

  test("SEPT_VE_DISABLE must be set", () => {
    const quote = { body: { tdAttributes: new Uint8Array(8) } };
    expect(run({ quote }).code).toBe("td_sept_ve_disable_clear");
    expect(run({ quote, policy: { tdx: { acceptSeptVeDisableClear: true } } }).code).toBe("ok");
  });

  test("a bound service TD is refused unless the policy names it", () => {
    const mrServiceTd = new Uint8Array(48).fill(7);
    const quote = { body: { mrServiceTd } };
    expect(run({ kind: "tdx5td15", quote }).code).toBe("td_service_td_bound");
    const policy = { tdx: { acceptedServiceTds: [toHex(mrServiceTd)] } };
    expect(run({ kind: "tdx5td15", quote, policy }).code).toBe("ok");
  });
});

function anyAttributes(document: evidence.Loose): void {
  document.attributes = "00".repeat(16);
  document.attributesMask = "00".repeat(16);
}

describe("debug", () => {
  test.each([
    ["sgx3", { attributes: concat(Uint8Array.of(2), new Uint8Array(15)) }],
    ["tdx4", { tdAttributes: attributes(0) }],
    ["tdx5td15", { tdAttributes: attributes(0) }],
  ] as const)("%s", (kind, body) => {
    expect(run({ kind, quote: { body } }).code).toBe("debug_enabled");
    const accepted = run({ kind, quote: { body }, policy: { acceptDebug: true } });
    expect(accepted.code).toBe("ok");
    expect(accepted.transcript.find(({ step }) => step === "debug")?.status).toBe("skipped");
  });

  test("of the quoting enclave is always refused", () => {
    const qeReport = { attributes: fromHex("1300000000000000e700000000000000") };
    const result = run({
      quote: { qeReport },
      collateral: { qeIdentity: anyAttributes },
      policy: { acceptDebug: true },
    });
    expect(result.code).toBe("qe_debug");
  });
});

function outOfDate(document: evidence.Loose): void {
  const newest = structuredClone(document.tcbLevels[0]);
  newest.tcb.pcesvn = 99;
  newest.tcbDate = "2026-03-13T00:00:00Z";
  Object.assign(document.tcbLevels[0], {
    tcbStatus: "OutOfDate",
    advisoryIDs: ["INTEL-SA-1", "INTEL-SA-2"],
  });
  document.tcbLevels.unshift(newest);
}

function revoked(document: evidence.Loose): void {
  document.tcbLevels[0].tcbStatus = "Revoked";
}

describe("TCB", () => {
  const collateral = { tcbInfo: outOfDate };

  test("is reported where the policy judges no status", () => {
    const result = run({ collateral });
    expect(result).toMatchObject({
      code: "ok",
      tcbStatus: "OutOfDate",
      advisoryIds: ["INTEL-SA-1", "INTEL-SA-2"],
    });
  });

  test("says how far behind it is", () => {
    const result = run({ collateral, policy: { tcb: { acceptedStatuses: ["UpToDate"] } } });
    expect(result.code).toBe("tcb_status_refused");
    expect(result.message).toBe(
      "TCB status OutOfDate is not accepted: platform at tcb level 2026-01-01, newest 2026-03-13",
    );
  });

  test.each([
    [150, "tcb_status_refused"],
    [152, "ok"],
  ])("has a grace of %i days", (graceDays, code) => {
    const tcb = { acceptedStatuses: ["UpToDate" as const], graceDays };
    expect(run({ collateral, policy: { tcb } }).code).toBe(code);
  });

  test("a revoked one has no grace, and no policy can accept it", () => {
    expect(run({ collateral: { tcbInfo: revoked }, policy: { tcb: { graceDays: 3650 } } }).code).toBe(
      "tcb_revoked",
    );
    expect(() => parsePolicy({ ...BASE, tcb: { acceptedStatuses: ["Revoked"] } })).toThrow(AttestationError);
  });

  test.each([
    [{ minimumTcbDate: "2026-01-01T00:00:00Z" }, "ok"],
    [{ minimumTcbDate: "2026-01-02T00:00:00Z" }, "tcb_date_refused"],
    [{ minimumEvaluationDataNumber: 17 }, "ok"],
    [{ minimumEvaluationDataNumber: 18 }, "tcb_evaluation_refused"],
    [{ acceptedAdvisoryIds: ["INTEL-SA-1", "INTEL-SA-2"] }, "ok"],
    [{ acceptedAdvisoryIds: ["INTEL-SA-1"] }, "advisory_refused"],
  ])("%j", (tcb, code) => {
    expect(run({ collateral, policy: { tcb } }).code).toBe(code);
  });
});

test("report data is compared where it is expected, and said to be unchecked where not", () => {
  const expected = new Uint8Array(64).fill(0xd0);
  expect(run({ expectedReportData: expected }).code).toBe("ok");
  expect(run({ expectedReportData: new Uint8Array(64) }).code).toBe("report_data_mismatch");
  expect(run({ expectedReportData: expected.subarray(1) }).code).toBe("report_data_mismatch");
  const unchecked = run({});
  expect(unchecked.transcript.find(({ step }) => step === "report_data")?.status).toBe("skipped");
  expect(unchecked.reportData).toEqual(expected);
});

const fill = (byteLength: number, value: number) => value.toString(16).padStart(2, "0").repeat(byteLength);
const TD = { mrTd: fill(48, 0x72), rtmr0: fill(48, 0x73), rtmr1: fill(48, 0x74), rtmr2: fill(48, 0x75) };

describe("code identity", () => {
  test.each([
    ["tdx4", { tdx: { measurements: [TD] } }, "ok"],
    ["tdx4", { tdx: { measurements: [{ ...TD, mrTd: fill(48, 1) }, TD] } }, "ok"],
    ["tdx4", { tdx: { measurements: [{ ...TD, rtmr2: fill(48, 1) }] } }, "measurement_mismatch"],
    ["tdx4", { tdx: { measurements: [{ ...TD, rtmr3: fill(48, 0), mrSeam: fill(48, 0x71) }] } }, "ok"],
    ["tdx4", { tdx: { measurements: [{ ...TD, rtmr3: fill(48, 1) }] } }, "measurement_mismatch"],
    ["tdx4", { tdx: { measurements: [{ ...TD, mrConfigId: fill(48, 1) }] } }, "measurement_mismatch"],
    ["sgx3", { sgx: { measurements: [{ mrEnclave: fill(32, 0x61) }] } }, "ok"],
    ["sgx3", { sgx: { measurements: [{ mrEnclave: fill(32, 0x62) }] } }, "measurement_mismatch"],
    ["sgx3", { sgx: { measurements: [{ mrSigner: fill(32, 0x62), isvProdId: 7, minimumIsvSvn: 3 }] } }, "ok"],
    [
      "sgx3",
      { sgx: { measurements: [{ mrSigner: fill(32, 0x62), isvProdId: 7, minimumIsvSvn: 4 }] } },
      "measurement_mismatch",
    ],
    [
      "sgx3",
      { sgx: { measurements: [{ mrSigner: fill(32, 0x62), isvProdId: 8, minimumIsvSvn: 3 }] } },
      "measurement_mismatch",
    ],
    ["tdx4", { codeIdentity: "required" as const }, "code_identity_unchecked"],
    ["tdx4", { codeIdentity: "reportedIfSimulated" as const }, "code_identity_unchecked"],
    // Values of another technology say nothing of this one.
    [
      "tdx4",
      { codeIdentity: "required" as const, sgx: { measurements: [{ mrEnclave: fill(32, 0x61) }] } },
      "code_identity_unchecked",
    ],
  ] as const)("%s with %j: %s", (kind, policy, code) => {
    const result = run({ kind, policy: policy as Partial<AppraisalPolicyInput> });
    expect(result.code).toBe(code);
    expect(result.codeIdentity).toBe(code === "ok" ? "matched" : "unchecked");
  });
});

describe("signed reference values", () => {
  const key = developmentKey("Test reference values");
  const signer = toBase64(concat(SPKI_PREFIX.p256, key.point));
  const set = (changes: Record<string, unknown> = {}) =>
    JSON.stringify({
      formatVersion: 1,
      subject: "test image",
      validFrom: "2026-01-01T00:00:00Z",
      validUntil: "2026-12-31T00:00:00Z",
      measurements: { tdx: [TD] },
      ...changes,
    });
  const signed = (text: string, prefix = REFERENCE_VALUES_PREFIX) => ({
    text,
    signature: toBase64(p256.sign(utf8(prefix + text), key.secretKey, { lowS: false })),
    signer,
  });
  const good = signed(set());

  test.each([
    ["that fit", good, "ok"],
    [
      "of another image",
      signed(set({ measurements: { tdx: [{ ...TD, mrTd: fill(48, 1) }] } })),
      "measurement_mismatch",
    ],
    ["that were changed", { ...good, text: set({ subject: "other" }) }, "reference_values_signature_invalid"],
    ["signed for another purpose", signed(set(), "other\n"), "reference_values_signature_invalid"],
    ["by nobody", { ...good, signature: toBase64(new Uint8Array(64)) }, "reference_values_signature_invalid"],
    [
      "with a short signature",
      { ...good, signature: toBase64(new Uint8Array(63)) },
      "reference_values_signature_invalid",
    ],
    ["that are no JSON", signed("{"), "reference_values_malformed"],
    ["of another version", signed(set({ formatVersion: 2 })), "reference_values_malformed"],
    ["with more members", signed(set({ more: 1 })), "reference_values_malformed"],
    ["out of date", signed(set({ validUntil: "2026-06-01T11:59:59Z" })), "reference_values_expired"],
    ["of the future", signed(set({ validFrom: "2026-06-01T12:00:01Z" })), "reference_values_expired"],
  ])("%s", (_name, value, code) => {
    const policy = {
      codeIdentity: "required" as const,
      referenceValueSigners: [signer],
      referenceValues: [value],
    };
    expect(run({ policy }).code).toBe(code);
  });

  test("by a signer that the policy does not name", () => {
    expect(run({ policy: { referenceValues: [good] } }).code).toBe("reference_values_signature_invalid");
  });
});

describe("policies", () => {
  test.each([
    [{}],
    [{ formatVersion: 2 }],
    [{ formatVersion: 1, more: true }],
    [{ formatVersion: 1, roots: [] }],
    [{ formatVersion: 1, roots: ["software"] }],
    [{ formatVersion: 1, tdx: { measurements: [{ mrTd: "00" }] } }],
    [{ formatVersion: 1, tdx: { measurements: [{ mrTd: fill(48, 0) }] } }],
    [{ formatVersion: 1, tdx: { acceptedAttributeBits: [0] } }],
    [{ formatVersion: 1, tcb: { minimumTcbDate: "2026-01-01" } }],
    [{ formatVersion: 1, referenceValueSigners: ["!"] }],
    [null],
    ["text"],
  ])("%j is malformed", (value) => {
    expect(() => parsePolicy(value)).toThrow(expect.objectContaining({ code: "policy_malformed" }));
  });

  test("the built-in ones take no simulated evidence but for the one that says so", () => {
    expect(DEFAULT_POLICY).toMatchObject({
      roots: ["hardware"],
      codeIdentity: "required",
      acceptDebug: false,
    });
    expect(REPORTING_POLICY).toMatchObject({
      roots: ["hardware"],
      codeIdentity: "reported",
      acceptDebug: false,
    });
    expect(SIMULATED_POLICY).toMatchObject({
      roots: ["hardware", "simulated"],
      codeIdentity: "reportedIfSimulated",
    });
  });
});
