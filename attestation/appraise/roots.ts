/** The roots that a policy trusts, for one technology. */
import { equal, sha256, toHex } from "../../codec/index.ts";
import { INTEL_SGX_ROOT, SIMULATED_SGX_ROOT, type DcapRoot } from "../endorsements/intel-roots.ts";
import { SIMULATED_NVIDIA_ROOT } from "../endorsements/nvidia-roots.ts";
import type { TrustRoot } from "../endorsements/trust-root.ts";
import { parseCertificate } from "../verify/x509.ts";
import type { AppraisalPolicy } from "./policy.ts";

/** Parsed once for each policy: policies are few and used often. */
const parsed = new WeakMap<AppraisalPolicy["roots"], readonly DcapRoot[]>();

/** A root that the policy's author vouches for: what leads to it is no more than that author's word. */
function ownRoot<Root extends TrustRoot>(der: Uint8Array, pinned: readonly Root[]): Root | TrustRoot {
  // A pinned root stays what it is, whoever names it: simulated evidence never reads as anything else.
  const known = pinned.find(({ certificate }) => equal(certificate.der, der));
  if (known !== undefined) return known;
  return {
    name: "root of the policy",
    certificate: parseCertificate(der),
    fingerprint: toHex(sha256(der)),
    simulated: false,
  };
}

/** @throws X509Error `certificate_malformed` where the policy brings a certificate that is none */
export function dcapRoots(policy: AppraisalPolicy): readonly DcapRoot[] {
  const known = parsed.get(policy.roots);
  if (known !== undefined) return known;
  const roots = policy.roots.map((root) => {
    if (root === "hardware") return INTEL_SGX_ROOT;
    return root === "simulated"
      ? SIMULATED_SGX_ROOT
      : ownRoot(root.certificate, [INTEL_SGX_ROOT, SIMULATED_SGX_ROOT]);
  });
  parsed.set(policy.roots, roots);
  return roots;
}

const SIMULATED_ROOTS: readonly TrustRoot[] = [SIMULATED_SGX_ROOT, SIMULATED_NVIDIA_ROOT];

/**
 * The roots that a policy trusts for one technology.
 * @param hardware the maker's pinned roots
 * @param simulated those of the project's own; none where no simulated evidence exists
 * @throws X509Error `certificate_malformed` where the policy brings a certificate that is none
 */
export function trustRoots(
  policy: AppraisalPolicy,
  hardware: readonly TrustRoot[],
  simulated: readonly TrustRoot[] = [],
): readonly TrustRoot[] {
  return policy.roots.flatMap((root) => {
    if (root === "hardware") return hardware;
    return root === "simulated" ? simulated : [ownRoot(root.certificate, [...hardware, ...SIMULATED_ROOTS])];
  });
}
