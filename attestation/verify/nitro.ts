/**
 * The cryptography of Nitro documents: the certificate chain that a document brings, to a trusted root (AWS, "Nitro
 * Enclaves Attestation Process", section 3.2.3), and the COSE signature. Policy is `appraise/nitro.ts`.
 * AWS publishes no CRLs for these certificates: a signer's lives about three hours.
 */
import { verifyEcdsa } from "#p256";
import { AttestationError } from "../error.ts";
import { signedBytes } from "../parse/cose.ts";
import type { NitroDocument } from "../parse/nitro.ts";
import { verifyChain } from "./chain.ts";
import { equalBytes, KEY_USAGE, parseCertificate, X509Error, type Certificate } from "./x509.ts";

function requireUsage(certificate: Certificate, usage: number): void {
  if (certificate.keyUsage === undefined || (certificate.keyUsage & usage) === 0) {
    throw new X509Error(
      "certificate_key_usage",
      "a certificate of the document lacks the key usage it needs",
    );
  }
}

/**
 * The document's chain, whose first authority must be a trusted root byte for byte.
 * @returns signer first, root last
 * @throws X509Error
 */
export function verifyNitroChain(
  document: NitroDocument,
  options: { roots: readonly Certificate[]; nowSeconds: number },
): readonly Certificate[] {
  const signer = parseCertificate(document.certificate);
  const authorities = document.cabundle.map((der) => parseCertificate(der)).toReversed();
  const root = authorities.at(-1)!;
  if (!options.roots.some((trusted) => equalBytes(trusted.der, root.der))) {
    throw new X509Error("certificate_untrusted_root", "the document's root is not a trusted one");
  }
  const path = verifyChain([signer, ...authorities], options);
  requireUsage(signer, KEY_USAGE.digitalSignature);
  for (const authority of authorities) requireUsage(authority, KEY_USAGE.keyCertSign);
  return path;
}

/**
 * The document's signature by the certificate's key, ECDSA P-384 with SHA-384.
 * @throws AttestationError `document_signature_invalid`
 */
export function verifyNitroSignature(document: NitroDocument, signer: Certificate): void {
  const { cose } = document;
  const isP384 = signer.publicKey.type === "p384";
  if (!isP384 || !verifyEcdsa("p384", signer.publicKey.point, signedBytes(cose), cose.signature)) {
    throw new AttestationError(
      "document_signature_invalid",
      "the document is not signed by its certificate's key",
    );
  }
}
