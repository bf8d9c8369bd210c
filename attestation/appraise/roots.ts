/** The roots that a policy trusts, for one technology. */
import { equal, sha256, toHex } from "../../codec/index.ts";
import { INTEL_SGX_ROOT, SIMULATED_SGX_ROOT, type DcapRoot } from "../endorsements/intel-roots.ts";
import { parseCertificate } from "../verify/x509.ts";
import type { AppraisalPolicy } from "./policy.ts";

/** Parsed once for each policy: policies are few and used often. */
const parsed = new WeakMap<AppraisalPolicy["roots"], readonly DcapRoot[]>();

/** A root that the policy's author vouches for: what leads to it is no more than that author's word. */
function ownRoot(der: Uint8Array): DcapRoot {
  // A pinned root stays what it is, whoever names it: simulated evidence never reads as anything else.
  const pinned = [INTEL_SGX_ROOT, SIMULATED_SGX_ROOT].find(({ certificate }) => equal(certificate.der, der));
  if (pinned !== undefined) return pinned;
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
    return root === "simulated" ? SIMULATED_SGX_ROOT : ownRoot(root.certificate);
  });
  parsed.set(policy.roots, roots);
  return roots;
}
