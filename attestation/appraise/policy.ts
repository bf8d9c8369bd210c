/** Appraisal policy as data: JSON, strict, documented in `docs/spec/appraisal.md`. */
import { z } from "zod";
import { AttestationError } from "../error.ts";
import { TCB_STATUSES, type TcbStatus } from "../parse/dcap-collateral.ts";
import { azureVtpmPolicy } from "./azure-vtpm-policy.ts";
import { dstackPolicy } from "./dstack-policy.ts";
import { nitroPolicy } from "./nitro-policy.ts";
import { nvidiaPolicy } from "./nvidia-policy.ts";
import { signedReferenceValues } from "./reference-values.ts";
import { snpPolicy } from "./sev-snp-policy.ts";
import { base64, hexBytes, isoSeconds, sgxMeasurement, tdxMeasurement } from "./policy-values.ts";

const acceptableStatuses = TCB_STATUSES.filter((status) => status !== "Revoked") as [
  TcbStatus,
  ...TcbStatus[],
];

/** Roots: a maker's pinned ones, the simulated one, or a certificate (DER in base64) that the policy's author trusts. */
const root = z.union([z.enum(["hardware", "simulated"]), z.strictObject({ certificate: base64(16_384) })]);

const tcb = z.strictObject({
  /** Statuses that are good enough; `Revoked` never is. */
  acceptedStatuses: z
    .array(z.enum(acceptableStatuses))
    .max(16)
    .default([...acceptableStatuses]),
  /** An out-of-date status is accepted too while every part's level is at most this many days old. */
  graceDays: z.int().min(0).max(3650).default(0),
  minimumTcbDate: isoSeconds.optional(),
  minimumEvaluationDataNumber: z.int().min(0).max(0xffff_ffff).optional(),
  /** Where present, every advisory that applies must be listed. */
  acceptedAdvisoryIds: z.array(z.string().max(64)).max(512).optional(),
});

const tdx = z.strictObject({
  /** Inline reference values, on the word of the policy's author. */
  measurements: z.array(tdxMeasurement).max(256).default([]),
  /** Bits of TD attributes that are refused otherwise: 1 to 7, 8 to 15, 17, 23 to 26, 29, 32 to 61. */
  acceptedAttributeBits: z.array(z.int().min(1).max(63)).max(63).default([]),
  acceptSeptVeDisableClear: z.boolean().default(false),
  /** MR_SERVICETD values that may be bound to a TD 1.5. */
  acceptedServiceTds: z.array(hexBytes(48)).max(64).default([]),
});

const sgx = z.strictObject({
  measurements: z.array(sgxMeasurement).max(256).default([]),
});

export const appraisalPolicySchema = z.strictObject({
  formatVersion: z.literal(1),
  roots: z.array(root).min(1).max(16).default(["hardware"]),
  /**
   * Whether evidence must match a reference value: `required`; `reportedIfSimulated`, not under the simulated root;
   * `reported`, never, and the result says `unchecked`. Reference values that are given must match in any case.
   */
  codeIdentity: z.enum(["required", "reportedIfSimulated", "reported"]).default("required"),
  acceptDebug: z.boolean().default(false),
  tcb: tcb.default(() => tcb.parse({})),
  tdx: tdx.default(() => tdx.parse({})),
  sgx: sgx.default(() => sgx.parse({})),
  sevSnp: snpPolicy.default(() => snpPolicy.parse({})),
  nitro: nitroPolicy.default(() => nitroPolicy.parse({})),
  azureVtpm: azureVtpmPolicy.default(() => azureVtpmPolicy.parse({})),
  dstack: dstackPolicy.default(() => dstackPolicy.parse({})),
  nvidia: nvidiaPolicy.default(() => nvidiaPolicy.parse({})),
  /** Who may sign reference values: SubjectPublicKeyInfo (DER, base64) of P-256 keys. */
  referenceValueSigners: z.array(base64(256)).max(16).default([]),
  referenceValues: z.array(signedReferenceValues).max(64).default([]),
});

export type AppraisalPolicy = z.output<typeof appraisalPolicySchema>;
export type AppraisalPolicyInput = z.input<typeof appraisalPolicySchema>;

/** @throws AttestationError `policy_malformed`, naming the first member at fault */
export function parsePolicy(value: unknown): AppraisalPolicy {
  const result = appraisalPolicySchema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const where = issue === undefined ? "" : `${issue.path.join(".")}: ${issue.message}`;
  throw new AttestationError("policy_malformed", `policy is not valid: ${where}`);
}

/** Hardware roots, no debug, a current TCB, and code identity required. */
export const DEFAULT_POLICY: AppraisalPolicy = parsePolicy({
  formatVersion: 1,
  tcb: { acceptedStatuses: ["UpToDate", "SWHardeningNeeded"] },
});

/** As the default, but simulated evidence is accepted too, and its code identity then reported alone. */
export const SIMULATED_POLICY: AppraisalPolicy = parsePolicy({
  formatVersion: 1,
  roots: ["hardware", "simulated"],
  codeIdentity: "reportedIfSimulated",
  tcb: { acceptedStatuses: ["UpToDate", "SWHardeningNeeded"] },
});

/** Judges signatures, dates, revocation, debug and attributes, and reports the rest. */
export const REPORTING_POLICY: AppraisalPolicy = parsePolicy({ formatVersion: 1, codeIdentity: "reported" });
