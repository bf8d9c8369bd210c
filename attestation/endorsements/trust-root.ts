/** A root that evidence may lead to, whatever the technology. */
import type { Certificate } from "../verify/x509.ts";

export interface TrustRoot {
  readonly name: string;
  /** SHA-256 of the certificate, lower-case hex. */
  readonly fingerprint: string;
  /** Whether evidence under it is simulated: its private key is public. */
  readonly simulated: boolean;
  readonly certificate: Certificate;
}
