/** Appraisal of SEV-SNP reports: whether a genuine report is good enough for a policy. */
import { toHex } from "../../codec/index.ts";
import { AMD_INTERMEDIATES, AMD_ROOTS } from "../endorsements/amd-roots.ts";
import { parseSnpEndorsements } from "../parse/sev-snp-endorsements.ts";
import type { SnpTcb } from "../parse/sev-snp-product.ts";
import { parseSnpReport, type SnpReport } from "../parse/sev-snp.ts";
import { verifySnpReport, type VerifiedSnpReport } from "../verify/sev-snp.ts";
import { checkReportData, type AppraisalContext, type Evidence } from "./appraisal.ts";
import { checkCodeIdentity } from "./code-identity.ts";
import { checkDebug } from "./debug.ts";
import { trustRoots } from "./roots.ts";
import { checkSnpPolicy, isSnpGuest } from "./sev-snp-checks.ts";

function tcbClaim(tcb: SnpTcb): Record<string, number> {
  const { fmc, ...parts } = tcb;
  return fmc === undefined ? parts : { ...parts, fmc };
}

function hex64(value: bigint): string {
  return value.toString(16).padStart(16, "0");
}

function reportClaims(report: SnpReport): Record<string, unknown> {
  const { unknownBits, ...platformInfo } = report.platformInfo;
  return {
    reportVersion: report.version,
    guestSvn: report.guestSvn,
    guestPolicy: report.policy,
    familyId: toHex(report.familyId),
    imageId: toHex(report.imageId),
    vmpl: report.vmpl,
    platformInfo: { ...platformInfo, unknownBits: hex64(unknownBits) },
    authorKeyEnabled: report.authorKeyEnabled,
    reportData: toHex(report.reportData),
    measurement: toHex(report.measurement),
    hostData: toHex(report.hostData),
    idKeyDigest: toHex(report.idKeyDigest),
    authorKeyDigest: toHex(report.authorKeyDigest),
    reportId: toHex(report.reportId),
    reportIdMa: toHex(report.reportIdMa),
    chipId: toHex(report.chipId),
    currentVersion: report.currentVersion,
    committedVersion: report.committedVersion,
    ...(report.cpuid && { cpuid: report.cpuid }),
    ...(report.launchMitigationVector !== undefined && {
      launchMitigationVector: hex64(report.launchMitigationVector),
    }),
    ...(report.currentMitigationVector !== undefined && {
      currentMitigationVector: hex64(report.currentMitigationVector),
    }),
  };
}

function claimsOf(verified: VerifiedSnpReport): Record<string, unknown> {
  const { report, key, root, product } = verified;
  return {
    source: AMD_ROOTS.includes(root) ? "hardware_proven" : "operator_asserted",
    root: root.name,
    rootFingerprint: root.fingerprint,
    product,
    productName: key.productName,
    signingKey: key.kind,
    ...(key.cspId !== undefined && { cspId: key.cspId }),
    currentTcb: tcbClaim(verified.currentTcb),
    reportedTcb: tcbClaim(verified.reportedTcb),
    committedTcb: tcbClaim(verified.committedTcb),
    launchTcb: tcbClaim(verified.launchTcb),
    ...reportClaims(report),
  };
}

/**
 * Appraises a report of type `sev-snp`.
 * @param endorsements parsed JSON, see `parse/sev-snp-endorsements.ts`
 * @throws AttestationError, X509Error where it is rejected
 */
export function appraiseSnp(evidence: Evidence, endorsements: unknown, context: AppraisalContext): void {
  const { checks, findings, policy, nowSeconds } = context;
  const report = checks.run("parse", "report is well formed", () => parseSnpReport(evidence.quote));
  const verified = verifySnpReport(report, parseSnpEndorsements(endorsements), {
    roots: trustRoots(policy, AMD_ROOTS),
    intermediates: AMD_INTERMEDIATES,
    nowSeconds,
    checks,
  });
  findings.simulated = verified.root.simulated;
  findings.reportData = report.reportData;
  findings.claims = claimsOf(verified);
  checkDebug(report.policy.debugAllowed, context);
  checkSnpPolicy(verified, policy.sevSnp, checks);
  checkReportData(report.reportData, context);
  checkCodeIdentity(context, (sets) => {
    const values = [
      ...policy.sevSnp.measurements,
      ...sets.flatMap(({ measurements }) => measurements.sevSnp),
    ];
    return { given: values.length, matched: values.some((value) => isSnpGuest(value, report)) };
  });
}
