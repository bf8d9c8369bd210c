/** OCSP responses (RFC 6960), handed in: nothing is fetched. Parsed strictly, verified under the certificate's issuer. */
import { sha1 } from "@noble/hashes/legacy.js";
import { equal, sha256, sha384 } from "../../codec/index.ts";
import { AttestationError } from "../error.ts";
import { checkDates, isoTime, verifyIssued, verifySignature } from "./chain.ts";
import { DerError, DerReader, TAG } from "./der.ts";
import {
  parseCertificate,
  readAlgorithm,
  X509Error,
  type Certificate,
  type SignatureAlgorithm,
} from "./x509.ts";

type HashName = "sha1" | "sha256" | "sha384";

export interface OcspStatus {
  readonly hash: HashName;
  readonly issuerNameHash: Uint8Array;
  readonly issuerKeyHash: Uint8Array;
  readonly serial: Uint8Array;
  readonly status: "good" | "revoked" | "unknown";
  /** CRLReason; 6 is a hold. */
  readonly reason: number | undefined;
  /** Seconds since 1970. */
  readonly thisUpdate: number;
  readonly nextUpdate: number | undefined;
}

export interface OcspResponse {
  readonly tbs: Uint8Array;
  readonly algorithm: SignatureAlgorithm;
  readonly signature: Uint8Array;
  /** The responder's, as far as they came along. */
  readonly certificates: readonly Certificate[];
  readonly statuses: readonly OcspStatus[];
}

const OID_BASIC = "1.3.6.1.5.5.7.48.1.1";
const OID_EXTENDED_KEY_USAGE = "2.5.29.37";
const OID_OCSP_SIGNING = "1.3.6.1.5.5.7.3.9";
const OID_AUTHORITY_INFORMATION = "1.3.6.1.5.5.7.1.1";
const HASHES = new Map<string, HashName>([
  ["1.3.14.3.2.26", "sha1"],
  ["2.16.840.1.101.3.4.2.1", "sha256"],
  ["2.16.840.1.101.3.4.2.2", "sha384"],
]);
const MAX_RESPONSE_BYTES = 1 << 16;
const MAX_STATUSES = 16;
const MAX_CERTIFICATES = 4;
/** How old a response without nextUpdate may be. */
const MAX_AGE_SECONDS = 7 * 86_400;

function hashOf(name: HashName, bytes: Uint8Array): Uint8Array {
  return name === "sha1" ? sha1(bytes) : name === "sha256" ? sha256(bytes) : sha384(bytes);
}

function readEnumerated(reader: DerReader): number {
  const value = reader.value(TAG.enumerated);
  const [byte] = reader.contentOf(value);
  if (value.end - value.content !== 1 || byte! >= 0x80) throw new DerError("der_value", "bad ENUMERATED");
  return byte!;
}

function readCertId(
  reader: DerReader,
): Pick<OcspStatus, "hash" | "issuerNameHash" | "issuerKeyHash" | "serial"> {
  const id = reader.enter();
  const algorithm = id.enter();
  const hash = HASHES.get(algorithm.oid());
  if (algorithm.optional(TAG.null) !== undefined) algorithm.finish();
  if (hash === undefined || !algorithm.done)
    throw new DerError("der_value", "unknown hash of a certificate's issuer");
  const issuerNameHash = id.octets();
  const issuerKeyHash = id.octets();
  const serial = id.integer();
  id.finish();
  return { hash, issuerNameHash, issuerKeyHash, serial };
}

function readStatus(reader: DerReader): Pick<OcspStatus, "status" | "reason"> {
  const value = reader.any();
  const isEmpty = value.content === value.end;
  if (value.tag === TAG.implicit(0) && isEmpty) return { status: "good", reason: undefined };
  if (value.tag === TAG.implicit(2) && isEmpty) return { status: "unknown", reason: undefined };
  if (value.tag !== TAG.context(1)) throw new DerError("der_tag", "unknown certificate status");
  const info = reader.inside(value);
  info.timeSeconds();
  const reason = info.done ? undefined : readEnumerated(info.enter(TAG.context(0)));
  info.finish();
  return { status: "revoked", reason };
}

function readSingle(reader: DerReader): OcspStatus {
  const id = readCertId(reader);
  const status = readStatus(reader);
  const thisUpdate = reader.timeSeconds();
  const nextUpdate =
    reader.peek() === TAG.context(0) ? reader.enter(TAG.context(0)).timeSeconds() : undefined;
  if (!reader.done) {
    // Extensions of one status: archive cut-off and the like, none of which makes a status better.
    reader.value(TAG.context(1));
    reader.finish();
  }
  return { ...id, ...status, thisUpdate, nextUpdate };
}

function readData(tbs: DerReader): readonly OcspStatus[] {
  if (tbs.peek() === TAG.context(0)) throw new DerError("der_value", "not a version 1 response");
  // The responder's name or key: who signed is found by trying.
  tbs.any();
  tbs.timeSeconds();
  const list = tbs.enter();
  const statuses: OcspStatus[] = [];
  while (!list.done) {
    if (statuses.length === MAX_STATUSES) throw new DerError("der_value", "too many statuses");
    statuses.push(readSingle(list.enter()));
  }
  tbs.optional(TAG.context(1));
  tbs.finish();
  return statuses;
}

function readBasic(bytes: Uint8Array): OcspResponse {
  const outer = new DerReader(bytes);
  const body = outer.enter();
  outer.finish();
  const tbs = body.value(TAG.sequence);
  const algorithm = readAlgorithm(body.bytesOf(body.value(TAG.sequence)));
  const signature = body.wholeBits();
  const certificates: Certificate[] = [];
  if (!body.done) {
    const list = body.enter(TAG.context(0)).enter();
    while (!list.done && certificates.length < MAX_CERTIFICATES) {
      certificates.push(parseCertificate(list.bytesOf(list.value(TAG.sequence))));
    }
  }
  body.finish();
  return { tbs: body.bytesOf(tbs), algorithm, signature, certificates, statuses: readData(body.inside(tbs)) };
}

/**
 * One successful basic response, of at most 64 KiB.
 * @throws AttestationError `ocsp_malformed`
 */
export function parseOcspResponse(der: Uint8Array): OcspResponse {
  try {
    if (der.length > MAX_RESPONSE_BYTES) throw new DerError("der_length", "too large");
    const outer = new DerReader(der);
    const body = outer.enter();
    outer.finish();
    if (readEnumerated(body) !== 0) throw new DerError("der_value", "the responder gave no answer");
    const bytes = body.enter(TAG.context(0)).enter();
    body.finish();
    if (bytes.oid() !== OID_BASIC) throw new DerError("der_value", "not a basic response");
    const basic = bytes.octets();
    bytes.finish();
    return readBasic(basic);
  } catch (error) {
    if (error instanceof DerError || error instanceof X509Error) {
      throw new AttestationError("ocsp_malformed", `OCSP response: ${error.message}`);
    }
    throw error;
  }
}

/** The key's bits, without the algorithm around them. */
function keyBits({ publicKey }: Certificate): Uint8Array {
  const spki = new DerReader(publicKey.spki).enter();
  spki.value(TAG.sequence);
  return spki.wholeBits();
}

function isAbout(status: OcspStatus, certificate: Certificate, issuer: Certificate): boolean {
  return (
    equal(status.serial, certificate.serial) &&
    equal(status.issuerNameHash, hashOf(status.hash, issuer.subject)) &&
    equal(status.issuerKeyHash, hashOf(status.hash, keyBits(issuer)))
  );
}

function maySignOcsp({ extensions, ca }: Certificate): boolean {
  const usage = extensions.find(({ oid }) => oid === OID_EXTENDED_KEY_USAGE);
  if (usage === undefined || ca) return false;
  const list = new DerReader(usage.value).enter();
  while (!list.done) if (list.oid() === OID_OCSP_SIGNING) return true;
  return false;
}

/** Whether `signer` is the issuer, or one that it made for signing responses and that is in date. */
function isResponder(signer: Certificate, issuer: Certificate, nowSeconds: number): boolean {
  if (equal(signer.der, issuer.der)) return true;
  try {
    if (!maySignOcsp(signer)) return false;
    verifyIssued(signer, issuer);
    checkDates(signer, nowSeconds);
    return true;
  } catch (error) {
    if (error instanceof X509Error || error instanceof DerError) return false;
    throw error;
  }
}

function isSigned(response: OcspResponse, issuer: Certificate, nowSeconds: number): boolean {
  return [issuer, ...response.certificates].some((signer) => {
    if (!isResponder(signer, issuer, nowSeconds)) return false;
    try {
      return verifySignature(signer.publicKey, response.algorithm, response.tbs, response.signature);
    } catch (error) {
      if (error instanceof X509Error) return false;
      throw error;
    }
  });
}

function checkStatus({ status, reason, thisUpdate, nextUpdate }: OcspStatus, nowSeconds: number): void {
  if (status === "revoked") {
    const how = reason === 6 ? "on hold" : "revoked";
    throw new X509Error("certificate_revoked", `OCSP says that a certificate is ${how}`);
  }
  if (status === "unknown") {
    throw new AttestationError("ocsp_certificate_unknown", "the OCSP responder does not know a certificate");
  }
  if (nowSeconds < thisUpdate) {
    throw new AttestationError("ocsp_not_yet_valid", `OCSP response is valid from ${isoTime(thisUpdate)}`);
  }
  const until = nextUpdate ?? thisUpdate + MAX_AGE_SECONDS;
  if (nowSeconds > until) {
    throw new AttestationError("ocsp_expired", `OCSP response was valid until ${isoTime(until)}`);
  }
}

/** Whether a certificate names where it can be asked after. */
export function namesResponder({ extensions }: Certificate): boolean {
  return extensions.some(({ oid }) => oid === OID_AUTHORITY_INFORMATION);
}

/**
 * Every status that the responses have for the certificates of a verified path, but the root's. A revocation or hold
 * rejects whenever it was said; a good status counts while it is in date.
 * @returns the certificates that are known to be good
 * @throws X509Error `certificate_revoked`; AttestationError `ocsp_signature_invalid`, `ocsp_certificate_unknown`,
 * `ocsp_not_yet_valid`, `ocsp_expired`
 */
export function verifyOcsp(
  path: readonly Certificate[],
  responses: readonly OcspResponse[],
  nowSeconds: number,
): ReadonlySet<Certificate> {
  const good = new Set<Certificate>();
  for (const [depth, certificate] of path.slice(0, -1).entries()) {
    const issuer = path[depth + 1]!;
    for (const response of responses) {
      const statuses = response.statuses.filter((status) => isAbout(status, certificate, issuer));
      if (statuses.length === 0) continue;
      if (!isSigned(response, issuer, nowSeconds)) {
        throw new AttestationError("ocsp_signature_invalid", "an OCSP response is not signed for its issuer");
      }
      for (const status of statuses) checkStatus(status, nowSeconds);
      good.add(certificate);
    }
  }
  return good;
}
