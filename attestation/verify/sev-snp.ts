/**
 * The cryptography of SEV-SNP: the chain ARK → ASK or ASVK → VCEK or VLEK, the report's signature (SEV-SNP Firmware
 * ABI, AMD publication 56860, chapter 10), and that report and certificate speak of the same firmware and chip.
 * Policy is `appraise/sev-snp.ts`.
 */
import { verifyEcdsa } from "#p256";
import { concat, equal } from "../../codec/index.ts";
import type { TrustRoot } from "../endorsements/trust-root.ts";
import { AttestationError } from "../error.ts";
import { snpFieldBytes, SNP_SIGNED_BYTES, type SnpReport } from "../parse/sev-snp.ts";
import type { SnpEndorsements } from "../parse/sev-snp-endorsements.ts";
import { readSnpEndorsementKey, type SnpEndorsementKey } from "../parse/sev-snp-key.ts";
import {
  parseSnpTcb,
  snpProductOfCpuid,
  type SnpProduct,
  type SnpTcb,
  type SnpTcbPart,
} from "../parse/sev-snp-product.ts";
import type { Checks } from "../transcript.ts";
import { checkRevoked, verifyChain, verifyCrl } from "./chain.ts";
import { commonNames } from "./name.ts";
import { equalBytes, parseCertificate, parseCrl, X509Error, type Certificate } from "./x509.ts";

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
function verifySnpChain(
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
function verifySnpCrls(
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
function verifySnpSignature(report: SnpReport, key: SnpEndorsementKey): void {
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
function checkSnpSigner(report: SnpReport, key: SnpEndorsementKey): void {
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
function checkSnpProduct(report: SnpReport, key: SnpEndorsementKey): SnpProduct {
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
function checkSnpReportedTcb(report: SnpReport, key: SnpEndorsementKey): SnpTcb {
  const reported = parseSnpTcb(report.reportedTcb, key.product);
  for (const name of Object.keys(reported) as SnpTcbPart[]) {
    if (reported[name] !== key.tcb[name]) {
      const detail = `${name} is ${reported[name]} in the report, ${key.tcb[name]} in the certificate`;
      throw new AttestationError("tcb_mismatch", detail);
    }
  }
  return reported;
}

/** Whether the platform hides CHIP_ID: it may set it to zeros. */
function isMasked(report: SnpReport): boolean {
  return report.chipId.every((byte) => byte === 0);
}

/**
 * The chip: hwID of a VCEK's certificate is the report's CHIP_ID, the rest of which is zero.
 * @throws AttestationError `chip_id_mismatch`
 */
function checkSnpChipId(report: SnpReport, key: SnpEndorsementKey): void {
  const expected = new Uint8Array(report.chipId.length);
  expected.set(key.hardwareId ?? []);
  if (!equal(expected, report.chipId)) {
    throw new AttestationError("chip_id_mismatch", "the report is from another chip than its certificate");
  }
}

export interface SnpOptions {
  readonly roots: readonly TrustRoot[];
  /** Authorities that stand in for ones that the endorsements lack. */
  readonly intermediates: readonly TrustRoot[];
  readonly nowSeconds: number;
  readonly checks: Checks;
}

export interface VerifiedSnpReport {
  readonly report: SnpReport;
  readonly key: SnpEndorsementKey;
  readonly root: TrustRoot;
  readonly product: SnpProduct;
  readonly currentTcb: SnpTcb;
  readonly reportedTcb: SnpTcb;
  readonly committedTcb: SnpTcb;
  readonly launchTcb: SnpTcb;
}

/** The one certificate that is no authority's. */
function endorsementKeyOf(certificates: readonly Certificate[]): SnpEndorsementKey {
  const leaves = certificates.filter(({ ca }) => !ca);
  if (leaves.length !== 1) {
    const detail = `one VCEK or VLEK certificate is needed, ${leaves.length} are there`;
    throw new AttestationError("endorsement_missing", detail);
  }
  return readSnpEndorsementKey(leaves[0]!);
}

function verifyRevocation(
  path: readonly Certificate[],
  endorsements: SnpEndorsements,
  options: SnpOptions,
): void {
  const { checks, nowSeconds } = options;
  if (endorsements.crls.length === 0) {
    checks.skip("revocation", "no CRL was supplied: whether an authority was revoked is unknown");
    return;
  }
  const covering = checks.run("revocation", "the CRLs list no certificate of the chain", () =>
    verifySnpCrls(path, endorsements.crls, nowSeconds),
  );
  if (covering === 0) checks.skip("root_revocation", "no CRL of the root was supplied");
}

/**
 * A report with its endorsements, at one time, under one of the roots. What holds is that a genuine chip with the
 * firmware it reports signed it; whether that is good enough is for the appraisal.
 * @throws AttestationError, X509Error
 */
export function verifySnpReport(
  report: SnpReport,
  endorsements: SnpEndorsements,
  options: SnpOptions,
): VerifiedSnpReport {
  const { checks, roots, nowSeconds } = options;
  const supplied = checks.run("endorsements_format", "the certificates are well formed", () =>
    endorsements.certificates.map((der) => parseCertificate(der)),
  );
  const key = checks.run("endorsement_key", "one certificate is a VCEK's or VLEK's", () =>
    endorsementKeyOf(supplied),
  );
  checks.run("signing_key", "the report names the kind of key that endorses it", () =>
    checkSnpSigner(report, key),
  );
  const path = checks.run("endorsement_chain", "the endorsement key's chain leads to a trusted root", () =>
    verifySnpChain(
      key,
      supplied,
      options.intermediates.map(({ certificate }) => certificate),
      { roots: roots.map(({ certificate }) => certificate), nowSeconds },
    ),
  );
  verifyRevocation(path, endorsements, options);
  checks.run("report_signature", "the endorsement key signed the report", () =>
    verifySnpSignature(report, key),
  );
  const product = checks.run("product", "report and certificate are of one product line", () =>
    checkSnpProduct(report, key),
  );
  const reportedTcb = checks.run(
    "reported_tcb",
    "the certificate is for the firmware that the report names",
    () => checkSnpReportedTcb(report, key),
  );
  verifyChip(report, key, checks);
  return {
    report,
    key,
    root: roots.find(({ certificate }) => equalBytes(certificate.der, path.at(-1)!.der))!,
    product,
    reportedTcb,
    ...checks.run("tcb_format", "the report's other TCB versions are well formed", () => ({
      currentTcb: parseSnpTcb(report.currentTcb, product),
      committedTcb: parseSnpTcb(report.committedTcb, product),
      launchTcb: parseSnpTcb(report.launchTcb, product),
    })),
  };
}

function verifyChip(report: SnpReport, key: SnpEndorsementKey, checks: Checks): void {
  if (key.kind === "vlek") checks.skip("chip_id", "a VLEK names no chip");
  else if (isMasked(report)) checks.skip("chip_id", "the platform masks its chip identifier");
  else
    checks.run("chip_id", "the certificate is for the chip that the report names", () =>
      checkSnpChipId(report, key),
    );
}
