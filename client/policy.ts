/** What a caller accepts. The default wants hardware and known code; each loosening has a name of its own. */
import {
  DEFAULT_POLICY,
  parsePolicy,
  type AppraisalPolicy,
  type AppraisalPolicyInput,
} from "../attestation/index.ts";

export interface ClientPolicy {
  /** Accepts the simulated TEE, and under it alone code that nobody checked. Proves nothing; for trying things out. */
  allowSimulated?: boolean;
  /** Accepts hardware whose code identity was not compared with reference values. */
  allowUncheckedCode?: boolean;
  /** Instead of the default: what evidence must show. */
  appraisal?: AppraisalPolicyInput;
  /** Refuses receipts whose statement is not yet shown to be in the log. */
  requireInclusion?: boolean;
  /** Refuses what too few log witnesses cosigned, and what is not shown to be in the log unless `requireInclusion` is false. */
  witnesses?: WitnessPolicy;
}

export interface WitnessPolicy {
  /** `<name>+<key id>+<base64>`, c2sp.org/tlog-cosignature. */
  verifierKeys: string[];
  /** How many of them must have cosigned each log head that a proof leads to. */
  require: number;
}

/** @throws AttestationError `policy_malformed` */
export function appraisalPolicy(policy: ClientPolicy): AppraisalPolicy {
  const base = policy.appraisal ? parsePolicy(policy.appraisal) : DEFAULT_POLICY;
  const { allowSimulated = false, allowUncheckedCode = false } = policy;
  const roots = allowSimulated ? [...new Set([...base.roots, "simulated" as const])] : base.roots;
  return { ...base, roots, codeIdentity: codeIdentity(base, allowSimulated, allowUncheckedCode) };
}

function codeIdentity(
  base: AppraisalPolicy,
  allowSimulated: boolean,
  allowUncheckedCode: boolean,
): AppraisalPolicy["codeIdentity"] {
  if (allowUncheckedCode || base.codeIdentity === "reported") return "reported";
  return allowSimulated ? "reportedIfSimulated" : base.codeIdentity;
}
