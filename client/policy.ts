/** What a caller accepts. The default wants hardware and known code; each loosening has a name of its own. */
import {
  AttestationError,
  DEFAULT_POLICY,
  parsePolicy,
  type AppraisalPolicy,
  type AppraisalPolicyInput,
} from "../attestation/index.ts";
import { CodecError, fromHex } from "../codec/index.ts";

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
  /** What is accepted of a proof's circuit. */
  circuits?: { allowDevelopmentSrs?: boolean; owners?: string[]; srsDigests?: string[] };
}

/** What a verifier accepts of a circuit. */
export interface CircuitPolicy {
  /** Accepts an SRS whose maker can forge proofs. For trying things out. */
  allowDevelopmentSrs: boolean;
  /** Ed25519 keys of which one must have bound the circuit; undefined: any, and the result says that it is asserted. */
  owners: readonly Uint8Array[] | undefined;
  /** sha256 of verifying parts of trusted SRS; undefined: the owner's word that it is of a ceremony. */
  srsDigests: readonly Uint8Array[] | undefined;
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

/** @throws AttestationError `policy_malformed` */
export function circuitPolicy({ circuits = {} }: ClientPolicy): CircuitPolicy {
  const { allowDevelopmentSrs = false, owners, srsDigests } = circuits;
  return {
    allowDevelopmentSrs,
    owners: owners?.map((text) => bytes32(text, "a circuit owner's key")),
    srsDigests: srsDigests?.map((text) => bytes32(text, "an SRS digest")),
  };
}

function bytes32(text: string, what: string): Uint8Array {
  try {
    return fromHex(text, 32);
  } catch (cause) {
    if (!(cause instanceof CodecError)) throw cause;
    throw new AttestationError("policy_malformed", `${what} is 32 bytes in hex`, { cause });
  }
}
