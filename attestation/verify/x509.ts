/**
 * X.509 certificates and CRLs (RFC 5280), parsed strictly. What `parse…` returns is not yet trusted: `verify…` in
 * `chain.ts` checks signatures, dates and constraints. All times are in seconds since 1970.
 */
import { DerError, DerReader, TAG } from "./der.ts";
import { SPKI_PREFIX } from "./spki.ts";

export type X509ErrorCode =
  | "certificate_malformed"
  | "certificate_algorithm_unsupported"
  | "certificate_chain_length"
  | "certificate_untrusted_root"
  | "certificate_issuer_mismatch"
  | "certificate_signature_invalid"
  | "certificate_not_yet_valid"
  | "certificate_expired"
  | "certificate_not_ca"
  | "certificate_ca_as_leaf"
  | "certificate_key_usage"
  | "certificate_path_length"
  | "certificate_critical_extension"
  | "certificate_revoked"
  | "crl_malformed"
  | "crl_issuer_mismatch"
  | "crl_signature_invalid"
  | "crl_not_yet_valid"
  | "crl_expired"
  | "crl_critical_extension";

export class X509Error extends Error {
  override readonly name = "X509Error";
  readonly code: X509ErrorCode;
  constructor(code: X509ErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}

export type SignatureAlgorithm = "ecdsa-sha256" | "ecdsa-sha384" | "rsa-pss-sha384" | "unsupported";

export interface PublicKey {
  readonly type: "p256" | "p384" | "rsa" | "unsupported";
  /** SubjectPublicKeyInfo, DER. */
  readonly spki: Uint8Array;
  /** Uncompressed point, 65 or 97 bytes; empty for other key types. */
  readonly point: Uint8Array;
}

export interface Extension {
  readonly oid: string;
  readonly critical: boolean;
  /** The content of extnValue: DER of the extension's own type. */
  readonly value: Uint8Array;
}

interface Signed {
  /** The whole DER. */
  readonly der: Uint8Array;
  /** The signed part, header included. */
  readonly tbs: Uint8Array;
  readonly algorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
  /** DER of the issuer's Name. */
  readonly issuer: Uint8Array;
}

export interface Certificate extends Signed {
  /** Two's-complement content of the serial number. */
  readonly serial: Uint8Array;
  /** DER of the subject's Name. */
  readonly subject: Uint8Array;
  readonly notBefore: number;
  readonly notAfter: number;
  readonly publicKey: PublicKey;
  readonly extensions: readonly Extension[];
  readonly ca: boolean;
  /** pathLenConstraint, or undefined where there is none. */
  readonly pathLength: number | undefined;
  /** Key usage bits, bit 0 (digitalSignature) as 1, bit 5 (keyCertSign) as 32…; undefined where absent. */
  readonly keyUsage: number | undefined;
}

export interface Crl extends Signed {
  readonly thisUpdate: number;
  readonly nextUpdate: number;
  /** Two's-complement contents of the revoked serial numbers, with the time of revocation. */
  readonly revoked: readonly { readonly serial: Uint8Array; readonly revokedAt: number }[];
  readonly extensions: readonly Extension[];
}

export const KEY_USAGE = { digitalSignature: 1, keyCertSign: 32, crlSign: 64 } as const;
export const OID = {
  keyUsage: "2.5.29.15",
  basicConstraints: "2.5.29.19",
  issuingDistributionPoint: "2.5.29.28",
  deltaCrl: "2.5.29.27",
} as const;

const MAX_CERTIFICATE_BYTES = 16_384;
const MAX_CRL_BYTES = 1 << 18;
const MAX_EXTENSIONS = 32;

/** Equality of public bytes. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

function readSha384Identifier(reader: DerReader): boolean {
  const algorithm = reader.enter();
  const isSha384 = algorithm.oid() === "2.16.840.1.101.3.4.2.2";
  if (algorithm.optional(TAG.null) !== undefined) algorithm.finish();
  return isSha384 && algorithm.done;
}

/** RSASSA-PSS parameters (RFC 4055 section 3.1) with SHA-384 everywhere and a salt of 48 bytes. */
function isPssSha384(parameters: DerReader): boolean {
  const body = parameters.enter();
  const hash = body.enter(TAG.context(0));
  if (!readSha384Identifier(hash) || !hash.done) return false;
  const mask = body.enter(TAG.context(1)).enter();
  if (mask.oid() !== "1.2.840.113549.1.1.8" || !readSha384Identifier(mask) || !mask.done) return false;
  const salt = body.enter(TAG.context(2));
  if (salt.smallInteger() !== 48 || !salt.done) return false;
  if (body.peek() === TAG.context(3)) {
    const trailer = body.enter(TAG.context(3));
    if (trailer.smallInteger() !== 1 || !trailer.done) return false;
  }
  return body.done && parameters.done;
}

/** The algorithm of an AlgorithmIdentifier, DER. @throws DerError */
export function readAlgorithm(bytes: Uint8Array): SignatureAlgorithm {
  const reader = new DerReader(bytes).enter();
  const oid = reader.oid();
  if (oid === "1.2.840.10045.4.3.2" && reader.done) return "ecdsa-sha256";
  if (oid === "1.2.840.10045.4.3.3" && reader.done) return "ecdsa-sha384";
  if (oid === "1.2.840.113549.1.1.10" && isPssSha384(reader)) return "rsa-pss-sha384";
  return "unsupported";
}

function readPublicKey(spki: Uint8Array): PublicKey {
  const empty = new Uint8Array(0);
  for (const type of ["p256", "p384"] as const) {
    const prefix = SPKI_PREFIX[type];
    if (spki.length !== prefix.length + (type === "p256" ? 65 : 97)) continue;
    if (!equalBytes(spki.subarray(0, prefix.length), prefix) || spki[prefix.length] !== 4) continue;
    return { type, spki, point: spki.subarray(prefix.length) };
  }
  const reader = new DerReader(spki).enter();
  const algorithm = reader.enter();
  const oid = algorithm.oid();
  reader.wholeBits();
  reader.finish();
  const isRsa =
    oid === "1.2.840.113549.1.1.1" && algorithm.optional(TAG.null) !== undefined && algorithm.done;
  return { type: isRsa ? "rsa" : "unsupported", spki, point: empty };
}

function readExtensions(reader: DerReader): Extension[] {
  const list = reader.enter();
  reader.finish();
  const extensions: Extension[] = [];
  while (!list.done) {
    const item = list.enter();
    const oid = item.oid();
    const critical = item.peek() === TAG.boolean ? item.boolean() : false;
    const value = item.octets();
    item.finish();
    if (extensions.length === MAX_EXTENSIONS || extensions.some((other) => other.oid === oid)) {
      throw new DerError("der_value", "too many extensions, or one twice");
    }
    extensions.push({ oid, critical, value });
  }
  return extensions;
}

/** The constraint fields of a certificate's extensions. */
function readConstraints(
  extensions: readonly Extension[],
): Pick<Certificate, "ca" | "pathLength" | "keyUsage"> {
  let ca = false;
  let pathLength: number | undefined;
  let keyUsage: number | undefined;
  for (const { oid, value } of extensions) {
    const outer = new DerReader(value);
    if (oid === OID.basicConstraints) {
      const body = outer.enter();
      if (body.peek() === TAG.boolean) ca = body.boolean();
      if (!body.done) pathLength = body.smallInteger();
      body.finish();
      outer.finish();
    } else if (oid === OID.keyUsage) {
      const { bytes } = outer.bits();
      outer.finish();
      keyUsage = 0;
      for (let bit = 0; bit < 9 && bit < bytes.length * 8; bit++) {
        if ((bytes[bit >> 3]! & (0x80 >> (bit & 7))) !== 0) keyUsage |= 1 << bit;
      }
    }
  }
  return { ca, pathLength, keyUsage };
}

interface Envelope {
  tbsReader: DerReader;
  tbs: Uint8Array;
  algorithmDer: Uint8Array;
  algorithm: SignatureAlgorithm;
  signature: Uint8Array;
}

function readEnvelope(der: Uint8Array): Envelope {
  const outer = new DerReader(der);
  const body = outer.enter();
  outer.finish();
  const tbs = body.value(TAG.sequence);
  const algorithmDer = body.bytesOf(body.value(TAG.sequence));
  const signature = body.wholeBits();
  body.finish();
  const algorithm = readAlgorithm(algorithmDer);
  return { tbsReader: body.inside(tbs), tbs: body.bytesOf(tbs), algorithmDer, algorithm, signature };
}

function sameAlgorithm(inner: Uint8Array, outer: Uint8Array): void {
  if (!equalBytes(inner, outer)) {
    throw new DerError("der_value", "the signature algorithm differs inside and outside the signed part");
  }
}

/**
 * One version 3 certificate in DER, of at most 16 KiB unless told. Signature, dates and constraints are not checked.
 * @throws X509Error `certificate_malformed`
 */
export function parseCertificate(der: Uint8Array, maxBytes: number = MAX_CERTIFICATE_BYTES): Certificate {
  if (der.length > maxBytes) throw new X509Error("certificate_malformed", "certificate is too large");
  try {
    const envelope = readEnvelope(der);
    const tbs = envelope.tbsReader;
    const version = tbs.enter(TAG.context(0));
    if (version.smallInteger() !== 2) throw new DerError("der_value", "not a version 3 certificate");
    version.finish();
    const serial = tbs.integer();
    sameAlgorithm(tbs.bytesOf(tbs.value(TAG.sequence)), envelope.algorithmDer);
    const issuer = tbs.bytesOf(tbs.value(TAG.sequence));
    const validity = tbs.enter();
    const notBefore = validity.timeSeconds();
    const notAfter = validity.timeSeconds();
    validity.finish();
    const subject = tbs.bytesOf(tbs.value(TAG.sequence));
    const publicKey = readPublicKey(tbs.bytesOf(tbs.value(TAG.sequence)));
    const extensions = tbs.done ? [] : readExtensions(tbs.enter(TAG.context(3)));
    tbs.finish();
    const { algorithm, signature } = envelope;
    const constraints = readConstraints(extensions);
    return {
      der,
      tbs: envelope.tbs,
      algorithm,
      signature,
      serial,
      issuer,
      subject,
      notBefore,
      notAfter,
      publicKey,
      extensions,
      ca: constraints.ca,
      pathLength: constraints.pathLength,
      keyUsage: constraints.keyUsage,
    };
  } catch (error) {
    if (error instanceof DerError) throw new X509Error("certificate_malformed", error.message);
    throw error;
  }
}

function readRevoked(list: DerReader): Crl["revoked"] {
  const revoked: { serial: Uint8Array; revokedAt: number }[] = [];
  while (!list.done) {
    const entry = list.enter();
    const serial = entry.integer();
    const revokedAt = entry.timeSeconds();
    if (!entry.done) {
      for (const extension of readExtensions(entry)) {
        if (extension.critical)
          throw new X509Error("crl_critical_extension", `CRL entry extension ${extension.oid}`);
      }
    }
    revoked.push({ serial, revokedAt });
  }
  return revoked;
}

/**
 * One version 2 CRL in DER, of at most 256 KiB, with a nextUpdate. Signature and dates are not checked.
 * @throws X509Error `crl_malformed`; `crl_critical_extension` for a critical extension of an entry
 */
export function parseCrl(der: Uint8Array): Crl {
  if (der.length > MAX_CRL_BYTES) throw new X509Error("crl_malformed", "CRL is too large");
  try {
    const { tbsReader: tbs, ...envelope } = readEnvelope(der);
    if (tbs.smallInteger() !== 1) throw new DerError("der_value", "not a version 2 CRL");
    sameAlgorithm(tbs.bytesOf(tbs.value(TAG.sequence)), envelope.algorithmDer);
    const issuer = tbs.bytesOf(tbs.value(TAG.sequence));
    const thisUpdate = tbs.timeSeconds();
    const nextUpdate = tbs.timeSeconds();
    const revoked = tbs.peek() === TAG.sequence ? readRevoked(tbs.enter()) : [];
    const extensions = tbs.done ? [] : readExtensions(tbs.enter(TAG.context(0)));
    tbs.finish();
    const { tbs: tbsBytes, algorithm, signature } = envelope;
    return { der, tbs: tbsBytes, algorithm, signature, issuer, thisUpdate, nextUpdate, revoked, extensions };
  } catch (error) {
    if (error instanceof DerError) throw new X509Error("crl_malformed", error.message);
    throw error;
  }
}
