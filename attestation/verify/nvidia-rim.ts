/** The cryptography of reference manifests: XML signature, certificate chain, dates. */
import { verifyEcdsa } from "#p256";
import { equal, sha384, utf8 } from "../../codec/index.ts";
import { AttestationError } from "../error.ts";
import type { Rim } from "../parse/nvidia-rim.ts";
import { verifyChain } from "./chain.ts";
import { parseCertificate, type Certificate } from "./x509.ts";
import { canonicalXml } from "./xml-c14n.ts";

/**
 * That the document is what the signature's digest is of, and the signature is the signer's.
 * @throws AttestationError `rim_digest_mismatch`, `rim_signature_invalid`
 */
function verifyXmlSignature({ document, signature }: Rim, signer: Certificate): void {
  const digest = sha384(utf8(canonicalXml(document, signature.element)));
  if (!equal(digest, signature.digest)) {
    throw new AttestationError("rim_digest_mismatch", "the manifest is not what its signature is over");
  }
  const signed = utf8(canonicalXml(signature.signedInfo));
  const { publicKey } = signer;
  if (publicKey.type !== "p384" || !verifyEcdsa("p384", publicKey.point, signed, signature.value)) {
    throw new AttestationError(
      "rim_signature_invalid",
      "the manifest is not signed by its certificate's key",
    );
  }
}

/**
 * One manifest under one of the roots at one time.
 * @returns its certificate path, the signer first
 * @throws AttestationError `rim_digest_mismatch`, `rim_signature_invalid`; X509Error
 */
export function verifyRim(
  rim: Rim,
  options: { readonly roots: readonly Certificate[]; readonly nowSeconds: number },
): readonly Certificate[] {
  const certificates = rim.signature.certificates.map((der) => parseCertificate(der));
  verifyXmlSignature(rim, certificates[0]!);
  return verifyChain(certificates, options);
}
