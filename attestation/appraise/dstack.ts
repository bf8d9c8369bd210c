/** Appraisal of dstack guests: the quote inside, what its registers say of the app, and the policy's wishes for it. */
import { equal, toHex } from "../../codec/index.ts";
import { AttestationError, type AttestationErrorCode } from "../error.ts";
import { parseQuote, type TdReport } from "../parse/dcap.ts";
import {
  configuredOsImage,
  mrConfigDigest,
  parseDstack,
  payloadReportData,
  type DstackEvidence,
} from "../parse/dstack.ts";
import { parseSnpReport } from "../parse/sev-snp.ts";
import { verifyCompose, verifyDstackEvents } from "../verify/dstack.ts";
import { readBootIdentity, readMrConfig, type DstackIdentity } from "../parse/dstack-identity.ts";
import type { AppraisalContext, Evidence } from "./appraisal.ts";
import { appraiseDcap } from "./dcap.ts";
import { joinedSnpEndorsements } from "./inner-endorsements.ts";
import { appraiseSnp } from "./sev-snp.ts";

function tdReportOf(quote: Uint8Array): TdReport {
  const { body } = parseQuote(quote);
  if (body.kind === "sgx") throw new AttestationError("evidence_type_mismatch", "the quote is not a TD's");
  return body;
}

/** The report data that the agent names must be the quote's, and stand for the payload where there is one. */
function checkStatedReportData(evidence: DstackEvidence, actual: Uint8Array): void {
  const { reportData, reportDataPayload } = evidence;
  if (reportData !== undefined && !equal(reportData, actual)) {
    throw new AttestationError(
      "dstack_report_data_mismatch",
      "the agent names other report data than the quote",
    );
  }
  if (reportDataPayload !== undefined && !equal(payloadReportData(reportDataPayload), actual)) {
    throw new AttestationError("dstack_report_data_mismatch", "report data does not stand for the payload");
  }
}

function checkListed(
  context: AppraisalContext,
  what: { readonly step: string; readonly code: AttestationErrorCode; readonly name: string },
  value: string | undefined,
  wanted: readonly Uint8Array[] | undefined,
): void {
  if (wanted === undefined) return;
  context.checks.run(what.step, `${what.name} is one that the policy lists`, () => {
    if (value === undefined || !wanted.some((listed) => toHex(listed) === value)) {
      throw new AttestationError(what.code, `${what.name} is none that the policy lists`);
    }
  });
}

/** The operating system is known by its measurements; the app only by its compose file. */
function checkApp(identity: DstackIdentity, context: AppraisalContext): void {
  const { policy, findings, checks } = context;
  const { composeHashes, appIds, osImageHashes } = policy.dstack;
  const { composeHash, appId, osImageHash } = identity;
  const compose = { step: "compose_hash", code: "compose_hash_mismatch", name: "the compose file" } as const;
  checkListed(context, compose, composeHash, composeHashes);
  checkListed(context, { step: "app_id", code: "app_id_mismatch", name: "the app" }, appId, appIds);
  const image = { step: "os_image", code: "os_image_hash_mismatch", name: "the operating system" } as const;
  checkListed(context, image, osImageHash, osImageHashes);
  if (composeHashes !== undefined) return;
  checks.skip("app_identity", "the policy lists no compose files: which app runs is only reported");
  // Measurements without RTMR3 speak for the operating system alone.
  const speaksForApp = policy.tdx.measurements.some(({ rtmr3 }) => rtmr3 !== undefined);
  if (findings.codeIdentity !== "matched" || speaksForApp) return;
  findings.codeIdentity = "unchecked";
  if (policy.codeIdentity === "required") {
    throw new AttestationError("code_identity_unchecked", "the policy lists no compose files");
  }
}

function claimsOf(evidence: DstackEvidence, identity: DstackIdentity): Record<string, unknown> {
  const osImage = configuredOsImage(evidence.config);
  return {
    platform: evidence.platform,
    ...identity,
    runtimeEvents: evidence.runtimeEvents.length,
    ...(osImage !== undefined && {
      configuredOsImageHash: osImage,
      configuredOsImageHashSource: "operator_asserted",
    }),
  };
}

function appraiseTdx(evidence: DstackEvidence, endorsements: unknown, context: AppraisalContext): void {
  const { checks, findings } = context;
  const report = checks.run("quote_parse", "the quote inside is a TD's", () => tdReportOf(evidence.quote));
  checks.run("stated_report_data", "the agent names the quote's report data", () =>
    checkStatedReportData(evidence, report.reportData),
  );
  verifyDstackEvents(evidence, report.rtmr, checks);
  const identity = checks.run("boot_events", "the boot events name app and compose file", () =>
    readBootIdentity(evidence.runtimeEvents),
  );
  verifyCompose(evidence, identity, report.mrConfigId, checks);
  appraiseDcap({ type: "tdx", quote: evidence.quote }, endorsements, context);
  findings.claims["dstack"] = claimsOf(evidence, identity);
  checkApp(identity, context);
}

function appraiseSevSnp(evidence: DstackEvidence, endorsements: unknown, context: AppraisalContext): void {
  const { checks, findings } = context;
  const report = checks.run("quote_parse", "the report inside is well formed", () =>
    parseSnpReport(evidence.quote),
  );
  checks.run("stated_report_data", "the agent names the report's report data", () =>
    checkStatedReportData(evidence, report.reportData),
  );
  const document = evidence.mrConfig ?? "";
  const identity = checks.run("mr_config", "HOST_DATA is the configuration document's digest", () => {
    if (!equal(mrConfigDigest(document), report.hostData)) {
      throw new AttestationError(
        "dstack_config_mismatch",
        "HOST_DATA is not the configuration document's digest",
      );
    }
    return readMrConfig(document);
  });
  if (evidence.runtimeEvents.length > 0) {
    checks.skip("event_log", "SEV-SNP has no registers for events: nothing vouches for them");
  }
  verifyCompose(evidence, identity, undefined, checks);
  appraiseSnp(
    { type: "sev-snp", quote: evidence.quote },
    joinedSnpEndorsements(evidence.certificates, endorsements),
    context,
  );
  findings.claims["dstack"] = claimsOf(evidence, identity);
  checkApp(identity, context);
}

/**
 * Appraises evidence of type `dstack`. Its endorsements are those of the platform underneath.
 * @throws AttestationError, X509Error where it is rejected
 */
export function appraiseDstack(evidence: Evidence, endorsements: unknown, context: AppraisalContext): void {
  const parsed = context.checks.run("container", "the evidence is well formed", () =>
    parseDstack(evidence.quote),
  );
  if (parsed.platform === "tdx") appraiseTdx(parsed, endorsements, context);
  else appraiseSevSnp(parsed, endorsements, context);
}
