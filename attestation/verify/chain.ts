/** Certification paths and CRLs (RFC 5280 section 6), with every input explicit: trusted roots, time, extensions known. */
import { verifyEcdsa, verifyRsaPssSha384 } from "#p256";
import { DerError, DerReader } from "./der.ts";
import { equalBytes, KEY_USAGE, OID, X509Error } from "./x509.ts";
import type { Certificate, Crl, PublicKey, SignatureAlgorithm } from "./x509.ts";

/**
 * An Ecdsa-Sig-Value (RFC 3279 section 2.2.3) as r ‖ s.
 * @returns undefined where it is not one, or r or s is negative or too long
 */
export function rawEcdsaSignature(der: Uint8Array, scalarBytes: number): Uint8Array | undefined {
  const raw = new Uint8Array(scalarBytes * 2);
  try {
    const outer = new DerReader(der);
    const body = outer.enter();
    outer.finish();
    for (const end of [scalarBytes, scalarBytes * 2]) {
      const integer = body.integer();
      if (integer[0]! >= 0x80) return undefined;
      const scalar = integer[0] === 0 ? integer.subarray(1) : integer;
      if (scalar.length > scalarBytes) return undefined;
      raw.set(scalar, end - scalar.length);
    }
    body.finish();
  } catch (error) {
    if (error instanceof DerError) return undefined;
    throw error;
  }
  return raw;
}

/**
 * Whether `signature`, as X.509 carries it, is `key`'s over `message`.
 * @throws X509Error `certificate_algorithm_unsupported` where the algorithm is none of ours or does not fit the key
 */
export function verifySignature(
  key: PublicKey,
  algorithm: SignatureAlgorithm,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  if (algorithm === "rsa-pss-sha384" && key.type === "rsa")
    return verifyRsaPssSha384(key.spki, message, signature);
  const curve =
    algorithm === "ecdsa-sha256" && key.type === "p256"
      ? "p256"
      : algorithm === "ecdsa-sha384" && key.type === "p384"
        ? "p384"
        : undefined;
  if (curve === undefined) {
    throw new X509Error("certificate_algorithm_unsupported", `a ${key.type} key cannot check ${algorithm}`);
  }
  const raw = rawEcdsaSignature(signature, curve === "p256" ? 32 : 48);
  return raw !== undefined && verifyEcdsa(curve, key.point, message, raw);
}

/** @throws X509Error `certificate_not_yet_valid`, `certificate_expired` */
export function checkDates(certificate: Certificate, nowSeconds: number): void {
  if (nowSeconds < certificate.notBefore) {
    throw new X509Error(
      "certificate_not_yet_valid",
      `certificate is valid from ${isoTime(certificate.notBefore)}`,
    );
  }
  if (nowSeconds > certificate.notAfter) {
    throw new X509Error(
      "certificate_expired",
      `certificate was valid until ${isoTime(certificate.notAfter)}`,
    );
  }
}

/** Seconds since 1970 as an ISO 8601 text, for messages. */
export function isoTime(seconds: number): string {
  return new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
}

/**
 * That `issuer` may sign certificates and signed this one: names, basic constraints, key usage, signature.
 * Dates and path length are not checked.
 * @throws X509Error `certificate_issuer_mismatch`, `certificate_not_ca`, `certificate_key_usage`,
 * `certificate_signature_invalid`, `certificate_algorithm_unsupported`
 */
export function verifyIssued(certificate: Certificate, issuer: Certificate): void {
  checkIssuer(certificate, issuer);
  if (!verifySignature(issuer.publicKey, certificate.algorithm, certificate.tbs, certificate.signature)) {
    throw new X509Error("certificate_signature_invalid", "certificate is not signed by its issuer");
  }
}

function checkIssuer(certificate: Certificate, issuer: Certificate): void {
  if (!equalBytes(certificate.issuer, issuer.subject)) {
    throw new X509Error("certificate_issuer_mismatch", "certificate names another issuer");
  }
  if (!issuer.ca) throw new X509Error("certificate_not_ca", "issuer is not a certification authority");
  if (issuer.keyUsage !== undefined && (issuer.keyUsage & KEY_USAGE.keyCertSign) === 0) {
    throw new X509Error("certificate_key_usage", "issuer may not sign certificates");
  }
}

const NO_EXTENSIONS: ReadonlySet<string> = new Set();

export interface ChainOptions {
  /** The last certificate of the chain must be one of these, byte for byte, or be signed by one of them. */
  readonly roots: readonly Certificate[];
  readonly nowSeconds: number;
  /** Critical extensions that the caller understands, besides basic constraints and key usage. */
  readonly knownExtensions?: ReadonlySet<string>;
  /**
   * Certificates whose signature is already known to be their issuer's. Whoever passes the set passes it only with
   * the same roots; signatures verified here are added. Dates and constraints are checked each time.
   */
  readonly verified?: Set<Certificate>;
  /** Whether the first certificate is itself an authority (a CRL's issuer); otherwise it must not be one. */
  readonly authority?: boolean;
}

/**
 * A certification path, leaf first, to a trusted root, of at most 6 certificates.
 * @returns the path with its root at the end
 * @throws X509Error every `certificate_…` code but `certificate_malformed` and `certificate_revoked`
 */
export function verifyChain(chain: readonly Certificate[], options: ChainOptions): readonly Certificate[] {
  if (chain.length === 0 || chain.length > 6) {
    throw new X509Error("certificate_chain_length", `a chain of ${chain.length} certificates`);
  }
  const path = endInRoot(chain, options.roots);
  const known = options.knownExtensions ?? NO_EXTENSIONS;
  if (options.authority === true && !path[0]!.ca) {
    throw new X509Error("certificate_not_ca", "a leaf stands where a certification authority must");
  }
  if (options.authority !== true && path[0]!.ca) {
    throw new X509Error("certificate_ca_as_leaf", "a certification authority stands where a leaf must");
  }
  for (const [depth, certificate] of path.entries()) {
    checkDates(certificate, options.nowSeconds);
    checkCritical(certificate, known);
    const issuer = path[depth + 1];
    if (issuer !== undefined) verifyLink(certificate, issuer, options.verified);
    // pathLenConstraint counts the authorities below this one, the leaf not among them.
    const below = options.authority === true ? depth : depth - 1;
    if (certificate.pathLength !== undefined && below > certificate.pathLength) {
      throw new X509Error("certificate_path_length", "chain is longer than an authority allows");
    }
  }
  return path;
}

function verifyLink(
  certificate: Certificate,
  issuer: Certificate,
  verified: Set<Certificate> | undefined,
): void {
  if (verified?.has(certificate)) {
    checkIssuer(certificate, issuer);
    return;
  }
  verifyIssued(certificate, issuer);
  verified?.add(certificate);
}

function endInRoot(chain: readonly Certificate[], roots: readonly Certificate[]): readonly Certificate[] {
  const last = chain[chain.length - 1]!;
  for (const root of roots) if (equalBytes(root.der, last.der)) return chain;
  for (const root of roots) if (equalBytes(root.subject, last.issuer)) return [...chain, root];
  throw new X509Error("certificate_untrusted_root", "chain does not end in a trusted root");
}

function checkCritical(certificate: Certificate, known: ReadonlySet<string>): void {
  for (const { oid, critical } of certificate.extensions) {
    if (critical && oid !== OID.basicConstraints && oid !== OID.keyUsage && !known.has(oid)) {
      throw new X509Error("certificate_critical_extension", `critical extension ${oid} is not understood`);
    }
  }
}

/**
 * That `issuer` signed this complete CRL and that it is in date.
 * @throws X509Error `crl_issuer_mismatch`, `certificate_key_usage`, `crl_critical_extension`, `crl_signature_invalid`,
 * `crl_not_yet_valid`, `crl_expired`, `certificate_algorithm_unsupported`
 */
export function verifyCrl(
  crl: Crl,
  issuer: Certificate,
  nowSeconds: number,
  knownExtensions: ReadonlySet<string> = NO_EXTENSIONS,
): void {
  if (!equalBytes(crl.issuer, issuer.subject))
    throw new X509Error("crl_issuer_mismatch", "CRL names another issuer");
  if (issuer.keyUsage !== undefined && (issuer.keyUsage & KEY_USAGE.crlSign) === 0) {
    throw new X509Error("certificate_key_usage", "issuer may not sign CRLs");
  }
  for (const { oid, critical } of crl.extensions) {
    // A CRL that covers only some certificates must not pass for one that covers all.
    const partial = oid === OID.issuingDistributionPoint || oid === OID.deltaCrl;
    if ((critical || partial) && !knownExtensions.has(oid)) {
      throw new X509Error("crl_critical_extension", `CRL extension ${oid} is not understood`);
    }
  }
  if (!verifySignature(issuer.publicKey, crl.algorithm, crl.tbs, crl.signature)) {
    throw new X509Error("crl_signature_invalid", "CRL is not signed by its issuer");
  }
  if (nowSeconds < crl.thisUpdate) {
    throw new X509Error("crl_not_yet_valid", `CRL is valid from ${isoTime(crl.thisUpdate)}`);
  }
  if (nowSeconds > crl.nextUpdate) {
    throw new X509Error("crl_expired", `CRL was valid until ${isoTime(crl.nextUpdate)}`);
  }
}

/** @throws X509Error `certificate_revoked` where the CRL, which `verifyCrl` has accepted, lists this serial number */
export function checkRevoked(certificate: Certificate, crl: Crl): void {
  for (const entry of crl.revoked) {
    if (equalBytes(entry.serial, certificate.serial)) {
      throw new X509Error("certificate_revoked", `certificate was revoked at ${isoTime(entry.revokedAt)}`);
    }
  }
}
