/**
 * The cryptography of Nitro documents: the certificate chain that a document brings, to a trusted root (AWS, "Nitro
 * Enclaves Attestation Process", section 3.2.3), and the COSE signature. Policy is `appraise/nitro.ts`.
 * AWS publishes no CRLs for these certificates: a signer's lives about three hours.
 */
import { verifyEcdsa } from "#p256";
import type { TrustRoot } from "../endorsements/trust-root.ts";
import { AttestationError } from "../error.ts";
import { signedBytes } from "../parse/cose.ts";
import type { NitroDocument } from "../parse/nitro.ts";
import type { Checks } from "../transcript.ts";
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
function verifyNitroChain(
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
function verifyNitroSignature(document: NitroDocument, signer: Certificate): void {
  const { cose } = document;
  const isP384 = signer.publicKey.type === "p384";
  if (!isP384 || !verifyEcdsa("p384", signer.publicKey.point, signedBytes(cose), cose.signature)) {
    throw new AttestationError(
      "document_signature_invalid",
      "the document is not signed by its certificate's key",
    );
  }
}

export interface NitroOptions {
  readonly roots: readonly TrustRoot[];
  readonly nowSeconds: number;
  readonly checks: Checks;
}

export interface VerifiedNitroDocument {
  readonly document: NitroDocument;
  readonly root: TrustRoot;
}

/**
 * A document at one time, under one of the roots. What holds is that a Nitro hypervisor made it; whether its PCRs are
 * good enough is for the appraisal.
 * @throws AttestationError, X509Error
 */
export function verifyNitro(document: NitroDocument, options: NitroOptions): VerifiedNitroDocument {
  const { roots, nowSeconds, checks } = options;
  const path = checks.run("certificate_chain", "the document's chain leads to a trusted root", () =>
    verifyNitroChain(document, { roots: roots.map(({ certificate }) => certificate), nowSeconds }),
  );
  checks.skip("revocation", "no CRLs exist for these certificates, which live about three hours");
  checks.run("document_signature", "the document is signed by its certificate's key", () =>
    verifyNitroSignature(document, path[0]!),
  );
  return { document, root: roots.find(({ certificate }) => equalBytes(certificate.der, path.at(-1)!.der))! };
}
