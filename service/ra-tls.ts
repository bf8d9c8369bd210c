/**
 * RA-TLS: a certificate whose key the keyset names and that carries the evidence for that keyset, so that a caller who checks it
 * knows that TLS ends here. The key is the service's: nothing but transport rests on it.
 */
// oxlint-disable-next-line import/no-unassigned-import -- a polyfill, which the certificate library wants
import "reflect-metadata";
import { Extension, SubjectAlternativeNameExtension, X509CertificateGenerator } from "@peculiar/x509";
import { CMW_KINDS, CMW_OID, encodeCmwExtension } from "../attestation/index.ts";
import { sha256, utf8 } from "../codec/index.ts";
import { ATTESTATION_MEDIA_TYPE } from "../receipts/index.ts";
import type { TlsCertificate } from "./listen.ts";

const ALGORITHM = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" };
/** What OpenSSL reads of a chain unless told otherwise. */
const MAX_CERTIFICATE_BYTES = 100 * 1024;
const DAY_MS = 86_400_000;

export interface TlsIdentity {
  /** SHA-256 of the SubjectPublicKeyInfo: 32 bytes. */
  spkiSha256: Uint8Array;
  /**
   * A certificate of this key with the attestation document in it.
   * @param documentText what `GET /v1/attestation` answers
   * @throws RangeError where the document is too long for a certificate
   */
  certify(documentText: string, nowMs: number): Promise<TlsCertificate>;
}

/** Draws a key. @param name what the certificate is for, a DNS name */
export async function createTlsIdentity(name: string): Promise<TlsIdentity> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ["sign", "verify"]);
  const spki = new Uint8Array(await crypto.subtle.exportKey("spki", keys.publicKey));
  const pkcs8 = Buffer.from(await crypto.subtle.exportKey("pkcs8", keys.privateKey));
  const key = `-----BEGIN PRIVATE KEY-----\n${pkcs8.toString("base64")}\n-----END PRIVATE KEY-----\n`;
  return {
    spkiSha256: sha256(spki),
    async certify(documentText, nowMs) {
      const certificate = await X509CertificateGenerator.createSelfSigned({
        name: [{ CN: [name] }],
        notBefore: new Date(nowMs - DAY_MS),
        // The keyset's end is what counts, and comes before.
        notAfter: new Date(nowMs + 366 * DAY_MS),
        signingAlgorithm: ALGORITHM,
        keys,
        extensions: [
          new SubjectAlternativeNameExtension([{ type: "dns", value: name }]),
          new Extension(CMW_OID, false, encodeEvidence(documentText)),
        ],
      });
      if (certificate.rawData.byteLength > MAX_CERTIFICATE_BYTES)
        throw new RangeError("the evidence is too long for a TLS certificate");
      return { key, cert: certificate.toString("pem") };
    },
  };
}

function encodeEvidence(documentText: string): Uint8Array<ArrayBuffer> {
  const kinds = CMW_KINDS.evidence + CMW_KINDS.endorsements;
  const value = utf8(documentText);
  return new Uint8Array(encodeCmwExtension({ mediaType: ATTESTATION_MEDIA_TYPE, value, kinds }));
}
