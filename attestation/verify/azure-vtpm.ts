/** The cryptography of Azure vTPM evidence: the TPM quote by the attestation key that the hardware report vouches for. */
import { verifyRsaPkcs1Sha256 } from "#p256";
import { concat, equal, fromHex, sha256 } from "../../codec/index.ts";
import { AttestationError } from "../error.ts";
import type { AzureEvidence } from "../parse/azure-vtpm.ts";
import type { TpmQuote } from "../parse/tpm-quote.ts";

/** What stands around the modulus in the SubjectPublicKeyInfo of an RSA key of 2048 bits with exponent 65537. */
const SPKI_HEAD = fromHex("30820122300d06092a864886f70d01010105000382010f003082010a0282010100");
const SPKI_TAIL = fromHex("0203010001");

/** @throws AttestationError `tpm_quote_signature_invalid` */
export function verifyTpmSignature({ message, signature }: AzureEvidence, akModulus: Uint8Array): void {
  if (!verifyRsaPkcs1Sha256(concat(SPKI_HEAD, akModulus, SPKI_TAIL), message, signature)) {
    throw new AttestationError(
      "tpm_quote_signature_invalid",
      "the TPM quote is not signed by the attestation key",
    );
  }
}

/** That the PCRs handed over are the quoted ones. @throws AttestationError `tpm_pcr_digest_mismatch` */
export function verifyPcrs({ pcrs }: AzureEvidence, { selection, pcrDigest }: TpmQuote): void {
  const digest = sha256(...selection.map((index) => pcrs[index]!));
  if (!equal(digest, pcrDigest)) {
    throw new AttestationError("tpm_pcr_digest_mismatch", "the PCRs are not those that the TPM quoted");
  }
}

/**
 * That the hardware report vouches for the runtime data, and with it for the attestation key.
 * @throws AttestationError `azure_runtime_data_mismatch`
 */
export function verifyRuntimeData(reportData: Uint8Array, runtimeDataHash: Uint8Array): void {
  if (!equal(reportData, runtimeDataHash)) {
    throw new AttestationError(
      "azure_runtime_data_mismatch",
      "report data is not the hash of the runtime data",
    );
  }
}
