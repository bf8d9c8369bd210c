/** Appraisal of SGX and TDX quotes: whether a genuine quote is good enough for a policy. */
import { equal, toHex } from "../../codec/index.ts";
import { INTEL_SGX_ROOT, SIMULATED_SGX_ROOT } from "../endorsements/intel-roots.ts";
import type { DcapRoot } from "../endorsements/intel-roots.ts";
import { AttestationError } from "../error.ts";
import { parseCollateral } from "../parse/dcap-collateral.ts";
import { parseQuote, type EnclaveReport, type TdReport } from "../parse/dcap.ts";
import type { ClaimSource } from "../transcript.ts";
import { isoTime } from "../verify/chain.ts";
import { verifyQuote, type VerifiedQuote } from "../verify/dcap.ts";
import { checkReportData, type AppraisalContext, type Evidence } from "./appraisal.ts";
import { checkTdAttributes } from "./dcap-attributes.ts";
import { checkTcb } from "./dcap-tcb.ts";
import type { AppraisalPolicy } from "./policy.ts";
import type { SgxMeasurement, TdxMeasurement } from "./policy-values.ts";
import { verifyReferenceValues, type ReferenceValueSet } from "./reference-values.ts";
import { dcapRoots } from "./roots.ts";

function tdClaims(report: TdReport): Record<string, unknown> {
  const [rtmr0, rtmr1, rtmr2, rtmr3] = report.rtmr;
  const claims: Record<string, unknown> = {
    reportKind: report.kind,
    teeTcbSvn: toHex(report.teeTcbSvn),
    mrSeam: toHex(report.mrSeam),
    mrSignerSeam: toHex(report.mrSignerSeam),
    seamAttributes: toHex(report.seamAttributes),
    tdAttributes: toHex(report.tdAttributes),
    xfam: toHex(report.xfam),
    mrTd: toHex(report.mrTd),
    mrConfigId: toHex(report.mrConfigId),
    mrOwner: toHex(report.mrOwner),
    mrOwnerConfig: toHex(report.mrOwnerConfig),
    rtmr0: toHex(rtmr0),
    rtmr1: toHex(rtmr1),
    rtmr2: toHex(rtmr2),
    rtmr3: toHex(rtmr3),
  };
  if (report.teeTcbSvn2 !== undefined) claims["teeTcbSvn2"] = toHex(report.teeTcbSvn2);
  if (report.mrServiceTd !== undefined) claims["mrServiceTd"] = toHex(report.mrServiceTd);
  return claims;
}

function enclaveClaims(report: EnclaveReport): Record<string, unknown> {
  return {
    reportKind: report.kind,
    cpuSvn: toHex(report.cpuSvn),
    miscSelect: report.miscSelect,
    attributes: toHex(report.attributes),
    mrEnclave: toHex(report.mrEnclave),
    mrSigner: toHex(report.mrSigner),
    isvProdId: report.isvProdId,
    isvSvn: report.isvSvn,
  };
}

function claimsOf(verified: VerifiedQuote, source: ClaimSource): Record<string, unknown> {
  const { quote, platform, root, tcb } = verified;
  return {
    source,
    root: root.name,
    rootFingerprint: root.fingerprint,
    quoteVersion: quote.version,
    ...(quote.body.kind === "sgx" ? enclaveClaims(quote.body) : tdClaims(quote.body)),
    reportData: toHex(quote.body.reportData),
    userData: toHex(quote.userData),
    fmspc: toHex(platform.fmspc),
    pceId: toHex(platform.pceId),
    ppid: toHex(platform.ppid),
    platformCpuSvn: toHex(platform.cpuSvn),
    platformPceSvn: platform.pceSvn,
    qeMrSigner: toHex(quote.qeReport.mrSigner),
    qeIsvSvn: quote.qeReport.isvSvn,
    tcbDate: isoTime(tcb.tcbDate),
    tcbEvaluationDataNumber: tcb.evaluationDataNumber,
    collateralValidFrom: isoTime(verified.collateralValidFrom),
    collateralValidUntil: isoTime(verified.collateralValidUntil),
  };
}

/** Under a maker's root a claim is hardware's; under one of the policy's author, that author's word. */
function sourceOf({ root }: VerifiedQuote): ClaimSource {
  if (root.simulated) return "simulated";
  return root === INTEL_SGX_ROOT ? "hardware_proven" : "operator_asserted";
}

function isTd(measurement: TdxMeasurement, report: TdReport): boolean {
  const { mrTd, rtmr0, rtmr1, rtmr2, rtmr3 } = measurement;
  if (!equal(mrTd, report.mrTd)) return false;
  if (![rtmr0, rtmr1, rtmr2].every((value, i) => equal(value, report.rtmr[i]!))) return false;
  if (rtmr3 !== undefined && !equal(rtmr3, report.rtmr[3])) return false;
  for (const name of ["mrConfigId", "mrOwner", "mrOwnerConfig", "mrSeam"] as const) {
    const value = measurement[name];
    if (value !== undefined && !equal(value, report[name])) return false;
  }
  return true;
}

function isEnclave(measurement: SgxMeasurement, report: EnclaveReport): boolean {
  if ("mrEnclave" in measurement) return equal(measurement.mrEnclave, report.mrEnclave);
  const { mrSigner, isvProdId, minimumIsvSvn } = measurement;
  return equal(mrSigner, report.mrSigner) && isvProdId === report.isvProdId && report.isvSvn >= minimumIsvSvn;
}

interface Match {
  readonly given: number;
  readonly matched: boolean;
}

function matchMeasurements(
  report: EnclaveReport | TdReport,
  policy: AppraisalPolicy,
  sets: readonly ReferenceValueSet[],
): Match {
  if (report.kind === "sgx") {
    const values = [...policy.sgx.measurements, ...sets.flatMap(({ measurements }) => measurements.sgx)];
    return { given: values.length, matched: values.some((value) => isEnclave(value, report)) };
  }
  const values = [...policy.tdx.measurements, ...sets.flatMap(({ measurements }) => measurements.tdx)];
  return { given: values.length, matched: values.some((value) => isTd(value, report)) };
}

function checkCodeIdentity(report: EnclaveReport | TdReport, context: AppraisalContext): void {
  const { checks, policy, findings, nowSeconds } = context;
  const { referenceValues, referenceValueSigners } = policy;
  const sets = referenceValues.map((signed) =>
    checks.run("reference_values", "reference values are signed and in date", () =>
      verifyReferenceValues(signed, referenceValueSigners, nowSeconds),
    ),
  );
  const { given, matched } = matchMeasurements(report, policy, sets);
  if (given === 0) {
    const reported =
      policy.codeIdentity === "reported" ||
      (policy.codeIdentity === "reportedIfSimulated" && findings.simulated);
    if (reported) {
      checks.skip("code_identity", "no reference values were given: whose code runs there is not known");
      return;
    }
  }
  checks.run("code_identity", "measurements are those of a reference value", () => {
    if (given === 0) {
      throw new AttestationError(
        "code_identity_unchecked",
        "no reference values were given, and they are required",
      );
    }
    if (!matched) throw new AttestationError("measurement_mismatch", "measurements match no reference value");
  });
  findings.codeIdentity = "matched";
}

function checkDebug(report: EnclaveReport | TdReport, { checks, policy }: AppraisalContext): void {
  const isDebug =
    report.kind === "sgx" ? (report.attributes[0]! & 2) !== 0 : (report.tdAttributes[0]! & 1) !== 0;
  if (policy.acceptDebug && isDebug) {
    checks.note("debug", "skipped", "debug mode is enabled, and the policy accepts it");
    return;
  }
  checks.run("debug", "debug mode is off", () => {
    if (isDebug)
      throw new AttestationError("debug_enabled", "debug mode is enabled: the host can read what runs there");
  });
}

/** The policy's roots and the simulated one, so that simulated evidence is refused by name. */
function knownRoots(policy: AppraisalPolicy): readonly DcapRoot[] {
  const roots = dcapRoots(policy);
  return roots.includes(SIMULATED_SGX_ROOT) ? roots : [...roots, SIMULATED_SGX_ROOT];
}

function checkRoot(root: DcapRoot, { checks, policy }: AppraisalContext): void {
  checks.run("root", `root is ${root.name}`, () => {
    if (root.simulated && !dcapRoots(policy).includes(root)) {
      throw new AttestationError("simulated_refused", "the evidence is simulated: it proves nothing");
    }
  });
}

/**
 * Appraises a quote of type `tdx` or `sgx`.
 * @throws AttestationError, X509Error where it is rejected
 */
export function appraiseDcap(evidence: Evidence, endorsements: unknown, context: AppraisalContext): void {
  const { checks, findings, policy, nowSeconds, cache } = context;
  const quote = checks.run("parse", "quote is well formed", () => {
    const parsed = parseQuote(evidence.quote);
    if ((parsed.body.kind === "sgx") !== (evidence.type === "sgx")) {
      throw new AttestationError("evidence_type_mismatch", `the quote is not of type ${evidence.type}`);
    }
    return parsed;
  });
  const collateral = parseCollateral(endorsements);
  const verified = verifyQuote(quote, collateral, { roots: knownRoots(policy), nowSeconds, checks, cache });
  findings.simulated = verified.root.simulated;
  findings.reportData = new Uint8Array(quote.body.reportData);
  findings.tcbStatus = verified.tcb.status;
  findings.advisoryIds = verified.tcb.advisoryIds;
  findings.claims = claimsOf(verified, sourceOf(verified));
  checkRoot(verified.root, context);
  checkDebug(quote.body, context);
  if (quote.body.kind !== "sgx") checkTdAttributes(quote.body, context);
  checkTcb(verified.tcb, context);
  checkReportData(quote.body.reportData, context);
  checkCodeIdentity(quote.body, context);
}
