/** Whether evidence leads to the project's own root, by its looks: what claims that root is never called hardware. */
import { equal } from "../../codec/index.ts";
import type { EvidenceType } from "../appraise/appraisal.ts";
import { SIMULATED_SGX_ROOT } from "../endorsements/intel-roots.ts";
import { CERTIFICATION } from "../parse/dcap-fields.ts";
import { parseQuote } from "../parse/dcap.ts";
import { parseDstack } from "../parse/dstack.ts";
import { parsePem } from "../verify/pem.ts";

/** The PCK chain in a quote, leaf first, DER; empty where the quote has none. Not verified. @throws AttestationError */
export function pckChainOf(quote: Uint8Array): readonly Uint8Array[] {
  const { certificationType, certification } = parseQuote(quote);
  if (certificationType !== CERTIFICATION.pckChain) return [];
  return parsePem(Buffer.from(certification).toString("latin1").replaceAll("\0", ""));
}

/** @throws AttestationError where the evidence is malformed */
export function isSimulatedEvidence(type: EvidenceType, quote: Uint8Array): boolean {
  if (type === "dstack") {
    const inner = parseDstack(quote);
    return isSimulatedEvidence(inner.platform, inner.quote);
  }
  if (type !== "tdx" && type !== "sgx") return false;
  return pckChainOf(quote).some((der) => equal(der, SIMULATED_SGX_ROOT.certificate.der));
}
