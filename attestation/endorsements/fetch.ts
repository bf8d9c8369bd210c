/** Endorsements of evidence from whoever publishes them. Verifiers never come here: they take what this gives. */
import type { Json } from "../../codec/index.ts";
import type { EvidenceType } from "../appraise/appraisal.ts";
import { parseDstack } from "../parse/dstack.ts";
import { fetchDcapCollateral, INTEL_PCS, type DcapSources } from "./fetch-dcap.ts";
import { EndorsementError } from "./fetch-error.ts";
import type { Ask } from "./fetch-http.ts";
import { fetchNvidiaEndorsements, NVIDIA_SERVICES, type NvidiaSources } from "./fetch-nvidia.ts";
import { AMD_KDS, fetchSnpEndorsements } from "./fetch-snp.ts";

export interface EndorsementSources {
  readonly dcap: DcapSources;
  readonly kds: string;
  readonly nvidia: NvidiaSources;
}

export const PUBLIC_SOURCES: EndorsementSources = {
  dcap: INTEL_PCS,
  kds: AMD_KDS,
  nvidia: NVIDIA_SERVICES,
};

export interface EndorsedEvidence {
  readonly type: EvidenceType;
  readonly quote: Uint8Array;
  /** SEV-SNP: what the host gave beside the report, DER. */
  readonly certificates?: readonly Uint8Array[];
}

/**
 * What a verifier needs beside this evidence: an object, empty where it needs nothing.
 * @throws EndorsementError; AttestationError, X509Error where the evidence does not say what to ask for
 */
export async function fetchEndorsements(
  evidence: EndorsedEvidence,
  ask: Ask,
  sources: EndorsementSources = PUBLIC_SOURCES,
): Promise<Json> {
  const { type, quote, certificates = [] } = evidence;
  if (type === "tdx" || type === "sgx") return await fetchDcapCollateral(quote, ask, sources.dcap);
  if (type === "sev-snp") return await fetchSnpEndorsements(quote, certificates, ask, sources.kds);
  // The document carries its chain, and AWS publishes no revocations for it.
  if (type === "nitro") return {};
  if (type === "nvidia-gpu" || type === "nvidia-switch")
    return await fetchNvidiaEndorsements({ quote, certificates }, ask, sources.nvidia);
  if (type === "dstack") {
    const inner = parseDstack(quote);
    return await fetchEndorsements({ type: inner.platform, quote: inner.quote, certificates }, ask, sources);
  }
  throw new EndorsementError("endorsement_unsupported", `nothing is fetched for evidence of type ${type}`);
}
