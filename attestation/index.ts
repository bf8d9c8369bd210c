/**
 * Attestation, verifier's side: evidence, endorsements and policy in, a result with a transcript out. Runs in Node and
 * in browsers, and touches no network. Attesters are in `attestation/attest/index.ts`.
 */
export { appraise } from "./appraise/appraise.ts";
export { appraiseComposite } from "./appraise/composite.ts";
export type {
  CompositeAppraisal,
  CompositeOptions,
  CompositePart,
  CompositeSubmodule,
} from "./appraise/composite.ts";
export type {
  Appraisal,
  AppraisalOptions,
  CodeIdentity,
  Evidence,
  EvidenceType,
} from "./appraise/appraisal.ts";
export {
  appraisalPolicySchema,
  DEFAULT_POLICY,
  parsePolicy,
  REPORTING_POLICY,
  SIMULATED_POLICY,
} from "./appraise/policy.ts";
export type { AppraisalPolicy, AppraisalPolicyInput } from "./appraise/policy.ts";
export { EAR_PROFILE, earClaims, signEar } from "./appraise/ear.ts";
export type { EarClaims, EarOptions, EarStatus, TrustworthinessVector } from "./appraise/ear.ts";
export { REFERENCE_VALUES_PREFIX } from "./appraise/reference-values.ts";
export { AMD_INTERMEDIATES, AMD_ROOTS } from "./endorsements/amd-roots.ts";
export { AWS_NITRO_ROOT } from "./endorsements/aws-roots.ts";
export { INTEL_SGX_ROOT, SIMULATED_SGX_ROOT } from "./endorsements/intel-roots.ts";
export type { DcapRoot } from "./endorsements/intel-roots.ts";
export { NVIDIA_DEVICE_ROOT, NVIDIA_RIM_ROOT, SIMULATED_NVIDIA_ROOT } from "./endorsements/nvidia-roots.ts";
export type { TrustRoot } from "./endorsements/trust-root.ts";
export { AttestationError } from "./error.ts";
export type { AttestationErrorCode } from "./error.ts";
export { CMW_KINDS, CMW_OID, encodeCmwExtension, parseCmwExtension } from "./parse/cmw.ts";
export type { CmwRecord } from "./parse/cmw.ts";
export { parseCollateral, parseQeIdentity, parseTcbInfo } from "./parse/dcap-collateral.ts";
export type { DcapCollateral } from "./parse/dcap-collateral.ts";
export { parseQuote } from "./parse/dcap.ts";
export type { EnclaveReport, Quote, TdReport } from "./parse/dcap.ts";
export { parseAzureEvidence } from "./parse/azure-vtpm.ts";
export type { AzureEvidence } from "./parse/azure-vtpm.ts";
export { parseDstack } from "./parse/dstack.ts";
export type { DstackEvidence } from "./parse/dstack.ts";
export { parseEventLog, replayRegister } from "./parse/event-log.ts";
export type { EventLog, MeasuredEvent } from "./parse/event-log.ts";
export { parseNvidiaEvidence } from "./parse/nvidia-evidence.ts";
export type { NvidiaDevice } from "./parse/nvidia-evidence.ts";
export { parseRim } from "./parse/nvidia-rim.ts";
export type { Rim } from "./parse/nvidia-rim.ts";
export { parseNvidiaReport } from "./parse/nvidia-spdm.ts";
export type { NvidiaReport } from "./parse/nvidia-spdm.ts";
export { nitroDocumentBytes, parseNitroDocument } from "./parse/nitro.ts";
export type { NitroDocument } from "./parse/nitro.ts";
export { parseSnpReport } from "./parse/sev-snp.ts";
export type { SnpReport } from "./parse/sev-snp.ts";
export type { ClaimSource, StepStatus, Transcript, TranscriptStep } from "./transcript.ts";
export { CollateralCache, crlBytes } from "./verify/dcap-collateral.ts";
export { parsePem } from "./verify/pem.ts";
export { parseCertificate, parseCrl, X509Error } from "./verify/x509.ts";
export type { Certificate, Crl } from "./verify/x509.ts";
