/**
 * The cryptography of SEV-SNP: the chain ARK → ASK or ASVK → VCEK or VLEK, the report's signature (SEV-SNP Firmware
 * ABI, AMD publication 56860, chapter 10), and that report and certificate speak of the same firmware and chip.
 * Policy is `appraise/sev-snp.ts`.
 */
import { verifyEcdsa } from "#p256";
import { concat, equal } from "../../codec/index.ts";
import { AttestationError } from "../error.ts";
import { snpFieldBytes, SNP_SIGNED_BYTES, type SnpReport } from "../parse/sev-snp.ts";
import type { SnpEndorsementKey } from "../parse/sev-snp-key.ts";
import {
  parseSnpTcb,
  snpProductOfCpuid,
  type SnpProduct,
  type SnpTcb,
  type SnpTcbPart,
} from "../parse/sev-snp-product.ts";
import { checkRevoked, verifyChain, verifyCrl } from "./chain.ts";
import { commonNames } from "./name.ts";
import { equalBytes, parseCrl, X509Error, type Certificate } from "./x509.ts";

function isNamed(certificate: Certificate, name: string): boolean {
  const names = commonNames(certificate.subject);
  return names.length === 1 && names[0] === name;
}

function issued(issuer: Certificate, certificate: Certificate): boolean {
  return equalBytes(issuer.subject, certificate.issuer);
}

/**
 * The path from the endorsement key to a trusted root, root last. The authority between comes from `supplied` or,
 * where it is missing there, from the pinned ones; it must be the one for this product and kind of key. A supplied
 * root must be a trusted one byte for byte.
 * @throws X509Error, AttestationError `product_mismatch`
 */
export function verifySnpChain(
  key: SnpEndorsementKey,
  supplied: readonly Certificate[],
  pinned: readonly Certificate[],
  options: { roots: readonly Certificate[]; nowSeconds: number },
): readonly Certificate[] {
  const authority = [...supplied, ...pinned].find((one) => issued(one, key.certificate) && !issued(one, one));
  if (authority === undefined) {
    throw new X509Error(
      "certificate_issuer_mismatch",
      "the authority that issued the endorsement key is missing",
    );
  }
  const expected = key.kind === "vcek" ? `SEV-${key.product}` : `SEV-VLEK-${key.product}`;
  if (!isNamed(authority, expected)) {
    throw new AttestationError(
      "product_mismatch",
      `a ${key.kind} of ${key.product} must be issued by ${expected}`,
    );
  }
  for (const root of supplied.filter((one) => issued(one, one) && issued(one, authority))) {
    if (!options.roots.some((trusted) => equalBytes(trusted.der, root.der))) {
      throw new X509Error("certificate_untrusted_root", "the supplied root is not a trusted one");
    }
  }
  return verifyChain([key.certificate, authority], options);
}

/**
 * Every supplied CRL must be signed by an authority of the path, be in date and list none of its certificates.
 * @param path leaf first, root last, verified
 * @returns how many CRLs speak for the authority below the root
 * @throws X509Error
 */
export function verifySnpCrls(
  path: readonly Certificate[],
  crls: readonly Uint8Array[],
  nowSeconds: number,
): number {
  let covering = 0;
  for (const crl of crls.map((der) => parseCrl(der))) {
    const position = path.findIndex((issuer) => issuer.ca && equalBytes(issuer.subject, crl.issuer));
    if (position < 0) throw new X509Error("crl_issuer_mismatch", "CRL is from no authority of the chain");
    verifyCrl(crl, path[position]!, nowSeconds);
    for (const certificate of path) {
      if (equalBytes(crl.issuer, certificate.issuer)) checkRevoked(certificate, crl);
    }
    if (position === path.length - 1) covering++;
  }
  return covering;
}

/** A little-endian number of 72 bytes as 48 bytes big-endian; undefined where it does not fit. */
function scalar(field: Uint8Array): Uint8Array | undefined {
  return field.subarray(48).every((byte) => byte === 0) ? field.subarray(0, 48).toReversed() : undefined;
}

/**
 * The report's signature, ECDSA P-384 with SHA-384 over bytes 0 to 0x29F.
 * @throws AttestationError `report_signature_algorithm`, `report_signature_invalid`
 */
export function verifySnpSignature(report: SnpReport, key: SnpEndorsementKey): void {
  if (report.signatureAlgorithm !== 1) {
    throw new AttestationError(
      "report_signature_algorithm",
      "the report is not signed by ECDSA P-384 with SHA-384",
    );
  }
  const r = scalar(snpFieldBytes(report.raw, "signatureR"));
  const s = scalar(snpFieldBytes(report.raw, "signatureS"));
  const message = report.raw.subarray(0, SNP_SIGNED_BYTES);
  const valid =
    r !== undefined &&
    s !== undefined &&
    verifyEcdsa("p384", key.certificate.publicKey.point, message, concat(r, s));
  if (!valid)
    throw new AttestationError("report_signature_invalid", "the endorsement key did not sign this report");
}

/**
 * The kind of key that the report says signed it.
 * @throws AttestationError `report_unsigned`, `endorsement_mismatch`
 */
export function checkSnpSigner(report: SnpReport, key: SnpEndorsementKey): void {
  if (report.signingKey === "none" || (report.signingKey === "vcek" && report.maskChipKey)) {
    throw new AttestationError(
      "report_unsigned",
      "the platform did not sign this report: its chip key is masked",
    );
  }
  if (report.signingKey !== key.kind) {
    throw new AttestationError(
      "endorsement_mismatch",
      `the report names a ${report.signingKey}, not a ${key.kind}`,
    );
  }
}

/**
 * The product line: by CPUID from report version 3 on, else by the certificate alone.
 * @throws AttestationError `product_mismatch`, `product_unknown`
 */
export function checkSnpProduct(report: SnpReport, key: SnpEndorsementKey): SnpProduct {
  if (report.cpuid === undefined) return key.product;
  const product = snpProductOfCpuid(report.cpuid.family, report.cpuid.model);
  if (product !== key.product) {
    throw new AttestationError(
      "product_mismatch",
      `the report is of ${product}, its certificate of ${key.product}`,
    );
  }
  return product;
}

/**
 * The firmware that the certificate vouches for is the one that the report claims.
 * @throws AttestationError `tcb_mismatch`, `report_reserved`
 */
export function checkSnpReportedTcb(report: SnpReport, key: SnpEndorsementKey): SnpTcb {
  const reported = parseSnpTcb(report.reportedTcb, key.product);
  for (const name of Object.keys(reported) as SnpTcbPart[]) {
    if (reported[name] !== key.tcb[name]) {
      const detail = `${name} is ${reported[name]} in the report, ${key.tcb[name]} in the certificate`;
      throw new AttestationError("tcb_mismatch", detail);
    }
  }
  return reported;
}

/**
 * The chip: hwID of a VCEK's certificate is the report's CHIP_ID. A platform may mask CHIP_ID with zeros, and a VLEK
 * names no chip; then nothing can be compared.
 * @returns whether the chip was compared
 * @throws AttestationError `chip_id_mismatch`
 */
export function checkSnpChipId(report: SnpReport, key: SnpEndorsementKey): boolean {
  if (key.hardwareId === undefined || report.chipId.every((byte) => byte === 0)) return false;
  const expected = new Uint8Array(report.chipId.length);
  expected.set(key.hardwareId);
  if (!equal(expected, report.chipId)) {
    throw new AttestationError("chip_id_mismatch", "the report is from another chip than its certificate");
  }
  return true;
}
