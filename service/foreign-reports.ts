/** The attestation reports that clients of others' services ask for: ACI v1 and dstack. */
import { toHex, toHex0x, type Json } from "../codec/index.ts";
import { ACI_VERSION, aciHash, parseKeyset, reportData, type DstackAlgorithm } from "../receipts/index.ts";
import type { KeysetRecords } from "./keyset-records.ts";
import { ServiceError } from "./problem.ts";
import type { SignerReport } from "./services.ts";
import type { Session } from "./session.ts";

/** What ACI calls the TEE; a simulated one has a name that no ACI verifier takes for hardware. */
function teeType({ type, simulated }: { type: string; simulated: boolean }): string {
  if (simulated) return `simulated_${type}`;
  return type === "sev-snp" ? "sev_snp" : type;
}

/**
 * ACI's report (spec/aci.md section 4). Without a nonce the evidence is that of the logged `Keyset` statement where ACI
 * could say what it binds, which it cannot: its nonce is a checkpoint's digest. So that one too is made for the answer.
 * @throws ServiceError `session_unavailable`; VaultError
 */
export async function aciReport(
  session: Session,
  keysets: KeysetRecords,
  nonce: Uint8Array | null,
): Promise<unknown> {
  const { keysetDigest, quote } = await session.quote(nonce);
  const { keyset: text } = await keysets.get(keysetDigest);
  const { attester } = parseKeyset(text);
  const bound = toHex(reportData(keysetDigest, nonce).subarray(0, 32));
  return {
    api_version: ACI_VERSION,
    workload_keyset_digest: aciHash(keysetDigest),
    attestation: {
      tee_type: teeType(attester),
      workload_keyset: JSON.parse(text) as Json,
      report_data: bound,
      // Which code runs is told by signed reference values for the measurements, not by a repository's name.
      source_provenance: { repo_url: null, repo_commit: null, image_digest: null, image_provenance: null },
      evidence: { quote: toHex(quote), quote_report_data: bound },
    },
    service_capabilities: { supported_e2ee_versions: [], serving: "direct" },
  };
}

/** @throws ServiceError `session_unavailable`, `receipt_form_unavailable` without TDX; VaultError */
export async function signerReport(
  session: Session,
  algorithm: DstackAlgorithm,
  nonce: Uint8Array,
): Promise<SignerReport> {
  const { keysetText, type, quote } = await session.quoteSigner(algorithm, nonce);
  if (type !== "tdx")
    throw new ServiceError("receipt_form_unavailable", "dstack's report has a place for TDX quotes alone");
  const { receiptAddress, aciPublicKey, attester } = parseKeyset(keysetText);
  return {
    signing_address: algorithm === "ecdsa" ? toHex0x(receiptAddress) : toHex(aciPublicKey),
    signing_algo: algorithm,
    request_nonce: toHex(nonce),
    intel_quote: toHex(quote),
    simulated: attester.simulated,
  };
}
