/** The claims of SGX and TDX quotes. */
import { toHex } from "../../codec/index.ts";
import { INTEL_SGX_ROOT } from "../endorsements/intel-roots.ts";
import type { EnclaveReport, TdReport } from "../parse/dcap.ts";
import type { ClaimSource } from "../transcript.ts";
import { isoTime } from "../verify/chain.ts";
import type { VerifiedQuote } from "../verify/dcap.ts";

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

/** Under a maker's root a claim is hardware's; under one of the policy's author, that author's word. */
function sourceOf({ root }: VerifiedQuote): ClaimSource {
  if (root.simulated) return "simulated";
  return root === INTEL_SGX_ROOT ? "hardware_proven" : "operator_asserted";
}

/** What a verified quote, its platform and its collateral say; byte strings in lower-case hex. */
export function dcapClaims(verified: VerifiedQuote): Record<string, unknown> {
  const { quote, platform, root, tcb } = verified;
  return {
    source: sourceOf(verified),
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
