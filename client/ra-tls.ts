/** RA-TLS: does the certificate's key belong to a keyset whose evidence holds? */
import {
  AttestationError,
  CMW_OID,
  parseCertificate,
  parseCmwExtension,
  X509Error,
} from "../attestation/index.ts";
import { equal, fromUtf8, CodecError, sha256 } from "../codec/index.ts";
import {
  ATTESTATION_MEDIA_TYPE,
  parseAttestation,
  parseKeyset,
  ReceiptError,
  type AttestationDocument,
} from "../receipts/index.ts";
import { StepFailure, type Verification } from "./verification.ts";
import { verifyKeyset, type VerifyKeysetOptions } from "./verify.ts";

const MAX_CERTIFICATE_BYTES = 128 * 1024;

/**
 * Verifies the certificate that a TLS peer showed. That the peer holds its key is what the handshake proved; the certificate's own
 * signature, names and dates say nothing here. The evidence is not over a nonce of the verifier's: it is as old as the
 * keyset.
 * @param der the peer's own certificate
 * @returns `rejected` also for what is no certificate, or carries no evidence
 * @throws AttestationError `policy_malformed`
 */
export function verifyTlsCertificate(der: Uint8Array, options: VerifyKeysetOptions): Verification {
  let found: { document: AttestationDocument; spki: Uint8Array };
  try {
    found = readCertificate(der);
  } catch (error) {
    return rejected(error, []);
  }
  const verification = verifyKeyset(found.document, options);
  if (verification.verdict === "rejected") return verification;
  const { tlsKeys } = parseKeyset(found.document.keyset);
  const digest = sha256(found.spki);
  const named = tlsKeys.find(({ spkiSha256 }) => equal(spkiSha256, digest));
  if (!named) {
    const failure = new StepFailure(
      "tls_key_mismatch",
      "the keyset names another TLS key than the certificate's",
    );
    return { ...rejected(failure, verification.steps), simulated: verification.simulated };
  }
  const detail = `the keyset names the certificate's key, held by the ${named.custody}`;
  const { source } = verification.claims.find(({ claim }) => claim === "TEE")!;
  return {
    ...verification,
    steps: [...verification.steps, { step: "tls key", status: "pass", detail }],
    claims: [...verification.claims, { claim: "tls", value: detail, status: "verified", source }],
  };
}

function readCertificate(der: Uint8Array): { document: AttestationDocument; spki: Uint8Array } {
  const { extensions, publicKey } = parseCertificate(der, MAX_CERTIFICATE_BYTES);
  const extension = extensions.find(({ oid }) => oid === CMW_OID);
  if (!extension)
    throw new StepFailure("certificate_without_evidence", "the certificate carries no evidence");
  const { mediaType, value } = parseCmwExtension(extension.value);
  if (mediaType !== ATTESTATION_MEDIA_TYPE)
    throw new StepFailure("certificate_without_evidence", "the certificate's evidence is of another kind");
  return { document: parseAttestation(fromUtf8(value)), spki: publicKey.spki };
}

function rejected(error: unknown, steps: Verification["steps"]): Verification {
  const known = [StepFailure, X509Error, AttestationError, ReceiptError, CodecError];
  if (!known.some((family) => error instanceof family)) throw error;
  const { code, message } = error as StepFailure;
  const failed = { step: "certificate", status: "fail" as const, detail: message };
  return { verdict: "rejected", code, message, simulated: false, steps: [...steps, failed], claims: [] };
}
