/** Appraisal of SGX and TDX quotes: whether a genuine quote is good enough for a policy. */
import { equal } from "../../codec/index.ts";
import { SIMULATED_SGX_ROOT, type DcapRoot } from "../endorsements/intel-roots.ts";
import { AttestationError } from "../error.ts";
import { parseCollateral } from "../parse/dcap-collateral.ts";
import { parseQuote, type EnclaveReport, type TdReport } from "../parse/dcap.ts";
import { verifyQuote } from "../verify/dcap.ts";
import { checkReportData, type AppraisalContext, type Evidence } from "./appraisal.ts";
import { checkCodeIdentity, type ReferenceMatch } from "./code-identity.ts";
import { checkTdAttributes } from "./dcap-attributes.ts";
import { dcapClaims } from "./dcap-claims.ts";
import { checkTcb } from "./dcap-tcb.ts";
import { checkDebug } from "./debug.ts";
import { checkEventLog, eventLogClaims } from "./event-log.ts";
import type { AppraisalPolicy } from "./policy.ts";
import type { SgxMeasurement, TdxMeasurement } from "./policy-values.ts";
import type { ReferenceValueSet } from "./reference-values.ts";
import { dcapRoots } from "./roots.ts";

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

function matchMeasurements(
  report: EnclaveReport | TdReport,
  policy: AppraisalPolicy,
  sets: readonly ReferenceValueSet[],
): ReferenceMatch {
  if (report.kind === "sgx") {
    const values = [...policy.sgx.measurements, ...sets.flatMap(({ measurements }) => measurements.sgx)];
    return { given: values.length, matched: values.some((value) => isEnclave(value, report)) };
  }
  const values = [...policy.tdx.measurements, ...sets.flatMap(({ measurements }) => measurements.tdx)];
  return { given: values.length, matched: values.some((value) => isTd(value, report)) };
}

function isDebug(report: EnclaveReport | TdReport): boolean {
  return report.kind === "sgx" ? (report.attributes[0]! & 2) !== 0 : (report.tdAttributes[0]! & 1) !== 0;
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
  const log =
    quote.body.kind === "sgx" ? undefined : checkEventLog(evidence.eventLog, quote.body.rtmr, checks);
  const collateral = checks.run("endorsements_format", "collateral is complete", () =>
    parseCollateral(endorsements),
  );
  const verified = verifyQuote(quote, collateral, { roots: knownRoots(policy), nowSeconds, checks, cache });
  findings.simulated = verified.root.simulated;
  findings.reportData = new Uint8Array(quote.body.reportData);
  findings.tcbStatus = verified.tcb.status;
  findings.advisoryIds = verified.tcb.advisoryIds;
  findings.claims = dcapClaims(verified);
  if (log !== undefined) findings.claims["eventLog"] = eventLogClaims(log);
  checkRoot(verified.root, context);
  checkDebug(isDebug(quote.body), context);
  if (quote.body.kind !== "sgx") checkTdAttributes(quote.body, context);
  checkTcb(verified.tcb, context);
  checkReportData(quote.body.reportData, context);
  checkCodeIdentity(context, (sets) => matchMeasurements(quote.body, policy, sets));
}
