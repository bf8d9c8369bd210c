/** Appraisal of Azure confidential VMs: the vTPM's quote over the hardware report of the platform underneath. */
import { equal, toHex } from "../../codec/index.ts";
import { AttestationError } from "../error.ts";
import { parseHclReport, type HclReport } from "../parse/azure-hcl.ts";
import { parseAzureEvidence, type AzureEvidence } from "../parse/azure-vtpm.ts";
import { parseQuote } from "../parse/dcap.ts";
import { parseSnpReport } from "../parse/sev-snp.ts";
import { parseTpmQuote, type TpmQuote } from "../parse/tpm-quote.ts";
import { verifyPcrs, verifyRuntimeData, verifyTpmSignature } from "../verify/azure-vtpm.ts";
import { checkReportData, type AppraisalContext, type Evidence } from "./appraisal.ts";
import { appraiseDcap } from "./dcap.ts";
import { joinedSnpEndorsements } from "./inner-endorsements.ts";
import { appraiseSnp } from "./sev-snp.ts";

/** The report data that the platform's own evidence carries, before its signatures are checked. */
function hardwareReportData(evidence: AzureEvidence, hcl: HclReport): Uint8Array {
  if (hcl.platform === "sev-snp") return parseSnpReport(hcl.hardwareReport).reportData;
  if (evidence.tdQuote === undefined) {
    throw new AttestationError("azure_malformed", "a TD's evidence lacks its quote");
  }
  const { body } = parseQuote(evidence.tdQuote);
  if (body.kind === "sgx") throw new AttestationError("evidence_type_mismatch", "the quote is not a TD's");
  return body.reportData;
}

function checkNonce({ extraData }: TpmQuote, { expectedNonce, checks }: AppraisalContext): void {
  if (expectedNonce === undefined) {
    checks.skip("nonce", "no nonce was expected: the quote may be an old one");
    return;
  }
  checks.run("nonce", "the TPM quote carries the expected nonce", () => {
    if (!equal(extraData, expectedNonce)) {
      throw new AttestationError("tpm_nonce_mismatch", "the TPM quote carries another nonce");
    }
  });
}

function checkPolicy(
  evidence: AzureEvidence,
  quote: TpmQuote,
  hcl: HclReport,
  { policy, checks }: AppraisalContext,
): void {
  const wanted = Object.entries(policy.azureVtpm.pcrs ?? {});
  checks.run("pcrs", `${wanted.length} registers are as the policy wants them`, () => {
    for (const [index, value] of wanted) {
      if (!quote.selection.includes(Number(index))) {
        throw new AttestationError("tpm_pcr_missing", `the TPM did not quote PCR ${index}`);
      }
      if (!equal(evidence.pcrs[Number(index)]!, value)) {
        throw new AttestationError("tpm_pcr_mismatch", `PCR ${index} has another value`);
      }
    }
  });
  if (!policy.azureVtpm.requireSecureBoot) return;
  checks.run("secure_boot", "the paravisor says that secure boot is on", () => {
    if (hcl.runtimeData.vmConfiguration["secure-boot"] !== true) {
      throw new AttestationError("platform_not_allowed", "the paravisor does not say that secure boot is on");
    }
  });
}

function claimsOf(
  evidence: AzureEvidence,
  quote: TpmQuote,
  { platform, runtimeData }: HclReport,
): Record<string, unknown> {
  const { userData, vmConfiguration } = runtimeData;
  return {
    platform,
    nonce: toHex(quote.extraData),
    resetCount: quote.resetCount,
    restartCount: quote.restartCount,
    firmwareVersion: toHex(quote.firmwareVersion),
    pcrs: Object.fromEntries(quote.selection.map((index) => [String(index), toHex(evidence.pcrs[index]!)])),
    vmConfiguration,
    ...(userData && { userData: toHex(userData) }),
  };
}

/**
 * Appraises evidence of type `azure-vtpm`. Its endorsements are those of the platform underneath. Its report data is what
 * the TPM quote carries: the hardware's own stands for the attestation key.
 * @throws AttestationError, X509Error where it is rejected
 */
export function appraiseAzureVtpm(
  evidence: Evidence,
  endorsements: unknown,
  context: AppraisalContext,
): void {
  const { checks, findings } = context;
  const parsed = checks.run("container", "the evidence is well formed", () =>
    parseAzureEvidence(evidence.quote),
  );
  const hcl = checks.run("hcl_report", "the paravisor's report is well formed", () =>
    parseHclReport(parsed.hclReport),
  );
  const quote = checks.run("tpm_quote", "the TPM quote is well formed", () => parseTpmQuote(parsed.message));
  checks.run("runtime_data", "the hardware report vouches for the runtime data", () =>
    verifyRuntimeData(hardwareReportData(parsed, hcl), hcl.runtimeDataHash),
  );
  checks.run("tpm_signature", "the TPM quote is signed by the attestation key", () =>
    verifyTpmSignature(parsed, hcl.runtimeData.akModulus),
  );
  checks.run("pcr_digest", "the PCRs are those that the TPM quoted", () => verifyPcrs(parsed, quote));
  checkNonce(quote, context);
  const hardware = { ...context, expectedReportData: undefined };
  if (hcl.platform === "sev-snp") {
    appraiseSnp(
      { type: "sev-snp", quote: hcl.hardwareReport },
      joinedSnpEndorsements(parsed.vcek === undefined ? [] : [parsed.vcek], endorsements),
      hardware,
    );
  } else {
    appraiseDcap({ type: "tdx", quote: parsed.tdQuote! }, endorsements, hardware);
  }
  findings.reportData = quote.extraData;
  findings.claims["azureVtpm"] = claimsOf(parsed, quote, hcl);
  checkPolicy(parsed, quote, hcl, context);
  checkReportData(quote.extraData, context);
}
