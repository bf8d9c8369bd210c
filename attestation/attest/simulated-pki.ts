/**
 * The simulated TEE's certificates and CRLs, of the shape of Intel's (root, platform CA, PCK and TCB signing; P-256) and of
 * NVIDIA's (P-384).
 *
 * The private keys are hashes of public labels: anyone can sign with them. That is intended, since a simulated quote
 * proves nothing, and the reason why the root they lead to is trusted by no default policy. ECDSA nonces are
 * deterministic (RFC 6979), so that the same inputs give the same bytes, the pinned root among them.
 */
import { p256, p384 } from "@noble/curves/nist.js";
import { concat, sha256, sha384, utf8 } from "../../codec/index.ts";
import { SPKI_PREFIX, type Curve } from "../verify/spki.ts";
import { KEY_USAGE, OID } from "../verify/x509.ts";
import { INTEL_SGX_OID } from "../parse/dcap-pck.ts";
import { bitString, boolean, der, distinguishedName, ecdsaSignature, integer } from "./der-write.ts";
import { octets, oid, sequence, time } from "./der-write.ts";

export interface DevelopmentKey {
  readonly commonName: string;
  readonly curve: Curve;
  readonly secretKey: Uint8Array;
  /** Uncompressed: 0x04 ‖ x ‖ y. */
  readonly point: Uint8Array;
}

const CURVES = { p256, p384 } as const;

/** A key that anyone can recompute from its name. */
export function developmentKey(commonName: string, curve: Curve = "p256"): DevelopmentKey {
  const label = utf8(`affidavit.simulated.key.v1 ${commonName}`);
  const secretKey = curve === "p256" ? sha256(label) : sha384(label);
  return { commonName, curve, secretKey, point: CURVES[curve].getPublicKey(secretKey, false) };
}

/** SubjectPublicKeyInfo, DER. */
export function developmentSpki({ curve, point }: DevelopmentKey): Uint8Array {
  return concat(SPKI_PREFIX[curve], point);
}

/** ECDSA with the curve's usual hash, SHA-256 or SHA-384: r ‖ s, 64 or 96 bytes. */
export function sign({ curve, secretKey }: DevelopmentKey, message: Uint8Array): Uint8Array {
  return CURVES[curve].sign(message, secretKey, { lowS: false });
}

const ALGORITHM: Readonly<Record<Curve, Uint8Array>> = {
  p256: sequence(oid("1.2.840.10045.4.3.2")),
  p384: sequence(oid("1.2.840.10045.4.3.3")),
};
const NOT_BEFORE = new Date("2025-01-01T00:00:00Z");
const NOT_AFTER = new Date("2049-12-31T23:59:59Z");

function signed(key: DevelopmentKey, tbs: Uint8Array): Uint8Array {
  return sequence(tbs, ALGORITHM[key.curve], bitString(ecdsaSignature(sign(key, tbs))));
}

export function extension(id: string, critical: boolean, value: Uint8Array): Uint8Array {
  return critical ? sequence(oid(id), boolean(true), octets(value)) : sequence(oid(id), octets(value));
}

function keyUsage(bits: number): Uint8Array {
  let byte = 0;
  for (let bit = 0; bit < 8; bit++) if ((bits & (1 << bit)) !== 0) byte |= 0x80 >> bit;
  const unusedBits = 31 - Math.clz32(byte & -byte);
  return bitString(new Uint8Array([byte]), unusedBits);
}

function keyIdentifier(key: DevelopmentKey): Uint8Array {
  return sha256(key.point).subarray(0, 20);
}

export interface CertificateParams {
  readonly subject: DevelopmentKey;
  readonly issuer: DevelopmentKey;
  /** Path length of an authority; undefined makes a leaf. */
  readonly authorityPathLength?: number;
  readonly notBefore?: Date;
  readonly notAfter?: Date;
  /** Further extensions, DER of each Extension. */
  readonly extensions?: readonly Uint8Array[];
}

/** One version 3 certificate, DER, valid from 2025 through 2049 unless told otherwise. */
export function certificate(params: CertificateParams): Uint8Array {
  const { subject, issuer, authorityPathLength } = params;
  const isAuthority = authorityPathLength !== undefined;
  const usage = isAuthority ? KEY_USAGE.keyCertSign | KEY_USAGE.crlSign : KEY_USAGE.digitalSignature;
  const constraints = isAuthority ? sequence(boolean(true), integer(authorityPathLength)) : sequence();
  const serial = sha256(subject.point, issuer.point).subarray(0, 16);
  const tbs = sequence(
    der(0xa0, integer(2)),
    integer(concat(new Uint8Array([0x40 | (serial[0]! & 0x3f)]), serial.subarray(1))),
    ALGORITHM[issuer.curve],
    distinguishedName(issuer.commonName),
    sequence(time(params.notBefore ?? NOT_BEFORE), time(params.notAfter ?? NOT_AFTER)),
    distinguishedName(subject.commonName),
    developmentSpki(subject),
    der(
      0xa3,
      sequence(
        extension("2.5.29.35", false, sequence(der(0x80, keyIdentifier(issuer)))),
        extension("2.5.29.14", false, octets(keyIdentifier(subject))),
        extension(OID.keyUsage, true, keyUsage(usage)),
        extension(OID.basicConstraints, true, constraints),
        ...(params.extensions ?? []),
      ),
    ),
  );
  return signed(issuer, tbs);
}

export interface CrlParams {
  readonly issuer: DevelopmentKey;
  readonly thisUpdate: Date;
  readonly nextUpdate: Date;
  /** Big-endian serial numbers. */
  readonly revokedSerials?: readonly Uint8Array[];
  /** CRL number; 1, which Intel gives each of its own, where absent. */
  readonly number?: number;
}

/** One version 2 CRL, DER. */
export function crl(params: CrlParams): Uint8Array {
  const entries = (params.revokedSerials ?? []).map((serial) =>
    sequence(der(0x02, serial), time(params.thisUpdate)),
  );
  const tbs = sequence(
    integer(1),
    ALGORITHM[params.issuer.curve],
    distinguishedName(params.issuer.commonName),
    time(params.thisUpdate),
    time(params.nextUpdate),
    ...(entries.length > 0 ? [sequence(...entries)] : []),
    der(
      0xa0,
      sequence(
        extension("2.5.29.35", false, sequence(der(0x80, keyIdentifier(params.issuer)))),
        extension("2.5.29.20", false, integer(params.number ?? 1)),
      ),
    ),
  );
  return signed(params.issuer, tbs);
}

export interface SgxPlatform {
  /** 16 component SVNs. */
  readonly cpuSvn: Uint8Array;
  readonly pceSvn: number;
  /** 2 bytes. */
  readonly pceId: Uint8Array;
  /** 6 bytes. */
  readonly fmspc: Uint8Array;
}

function member(arc: string, value: Uint8Array): Uint8Array {
  return sequence(oid(`${INTEL_SGX_OID}.${arc}`), value);
}

/** Intel's SGX extension of a PCK certificate (Intel SGX PCK Certificate and CRL Profile Specification 1.5). */
export function sgxExtension(platform: SgxPlatform): Uint8Array {
  const components = Array.from(platform.cpuSvn, (svn, i) => member(`2.${i + 1}`, integer(svn)));
  const value = sequence(
    member("1", octets(sha256(utf8("affidavit.simulated.ppid")).subarray(0, 16))),
    member(
      "2",
      sequence(
        ...components,
        member("2.17", integer(platform.pceSvn)),
        member("2.18", octets(platform.cpuSvn)),
      ),
    ),
    member("3", octets(platform.pceId)),
    member("4", octets(platform.fmspc)),
    member("5", der(0x0a, new Uint8Array([1]))),
    member("6", octets(sha256(utf8("affidavit.simulated.platform")).subarray(0, 16))),
    member(
      "7",
      sequence(member("7.1", boolean(true)), member("7.2", boolean(false)), member("7.3", boolean(true))),
    ),
  );
  return extension(INTEL_SGX_OID, false, value);
}
