/**
 * Verification of DCAP quotes: what Intel's quote verification library checks, in its order, with every input
 * explicit. Policy (debug, attributes, accepted statuses, measurements) is `appraise/dcap.ts`.
 */
import { verifyEcdsa } from "#p256";
import { concat, equal, sha256, toHex } from "../../codec/index.ts";
import type { DcapRoot } from "../endorsements/intel-roots.ts";
import { AttestationError } from "../error.ts";
import type { DcapCollateral } from "../parse/dcap-collateral.ts";
import type { Quote } from "../parse/dcap.ts";
import { CERTIFICATION } from "../parse/dcap-fields.ts";
import { parsePckPlatform, type PckPlatform } from "../parse/dcap-pck.ts";
import type { Checks } from "../transcript.ts";
import { checkRevoked, verifyChain } from "./chain.ts";
import { checkSigner, verifyCollateral } from "./dcap-collateral.ts";
import type { CertificateStore, CollateralCache, VerifiedCollateral } from "./dcap-collateral.ts";
import { evaluateQe, evaluateSgxTcb, evaluateTdxTcb, type TcbEvaluation } from "./dcap-tcb.ts";
import { equalBytes, type Certificate } from "./x509.ts";

export interface DcapOptions {
  readonly roots: readonly DcapRoot[];
  readonly nowSeconds: number;
  readonly checks: Checks;
  readonly cache?: CollateralCache | undefined;
}

export interface VerifiedQuote {
  readonly quote: Quote;
  readonly root: DcapRoot;
  readonly platform: PckPlatform;
  readonly tcb: TcbEvaluation;
  /** Seconds since 1970 between which the collateral is in date. */
  readonly collateralValidFrom: number;
  readonly collateralValidUntil: number;
}

const latin1 = new TextDecoder("latin1");

/** The quote's chain and the collateral's, or the one that there is. */
function pckChains(
  quote: Quote,
  collateral: DcapCollateral,
  store: CertificateStore,
): readonly (readonly Certificate[])[] {
  const texts = [
    ...(quote.certificationType === CERTIFICATION.pckChain ? [latin1.decode(quote.certification)] : []),
    ...(collateral.pck_certificate_chain === undefined ? [] : [collateral.pck_certificate_chain]),
  ];
  if (texts.length === 0) {
    throw new AttestationError("pck_chain_missing", "neither quote nor collateral has the PCK chain");
  }
  return texts.map((text) => store.chain(text));
}

/** Every certificate below the root must be covered by one of the two CRLs, by name and key of its issuer. */
function checkRevocation(path: readonly Certificate[], collateral: VerifiedCollateral): void {
  const { rootCrl, pckCrl, pckCrlIssuer, root } = collateral;
  const authorities = [
    { crl: rootCrl, issuer: root.certificate },
    { crl: pckCrl, issuer: pckCrlIssuer },
  ];
  for (const [depth, certificate] of path.slice(0, -1).entries()) {
    const issuer = path[depth + 1]!;
    const covering = authorities.find(
      (authority) =>
        equalBytes(authority.crl.issuer, certificate.issuer) &&
        equalBytes(authority.issuer.publicKey.spki, issuer.publicKey.spki),
    );
    if (covering === undefined) {
      throw new AttestationError("crl_missing", "no CRL covers a certificate of the PCK chain");
    }
    checkRevoked(certificate, covering.crl);
  }
}

function verifyPckChain(
  chain: readonly Certificate[],
  verified: VerifiedCollateral,
  store: CertificateStore,
  nowSeconds: number,
): Certificate {
  if (chain.length < 2) {
    throw new AttestationError(
      "pck_chain_length",
      `PCK chain has ${chain.length} certificates, not 2 or more`,
    );
  }
  const roots = [verified.root.certificate];
  const path = verifyChain(chain, { roots, nowSeconds, verified: store.verified });
  const pck = path[0]!;
  checkSigner(pck, verified.root, "pck");
  checkRevocation(path, verified);
  return pck;
}

function verifyPck(
  quote: Quote,
  collateral: DcapCollateral,
  verified: VerifiedCollateral,
  nowSeconds: number,
): Certificate {
  // Copied, since the collateral may be shared and what this quote brings must not add up in it.
  const store = verified.store.copy();
  const [pck, ...others] = pckChains(quote, collateral, store).map((chain) =>
    verifyPckChain(chain, verified, store, nowSeconds),
  );
  // A second chain is no reason to trust more, but a reason to trust less where it says something else.
  if (others.some((other) => !equalBytes(other.der, pck!.der))) {
    throw new AttestationError("pck_chain_mismatch", "quote and collateral bring different PCK certificates");
  }
  return pck!;
}

function verifyQeReport(quote: Quote, pck: Certificate): void {
  if (!verifyEcdsa("p256", pck.publicKey.point, quote.qeReportBytes, quote.qeReportSignature)) {
    throw new AttestationError("qe_report_signature_invalid", "QE report is not signed by the PCK");
  }
}

function verifyQeReportData(quote: Quote): void {
  const digest = sha256(quote.attestationKey, quote.qeAuthData);
  if (!equal(concat(digest, new Uint8Array(32)), quote.qeReport.reportData)) {
    throw new AttestationError("qe_report_data_mismatch", "QE report vouches for another attestation key");
  }
}

function verifyQuoteSignature(quote: Quote): void {
  const point = new Uint8Array(65);
  point[0] = 4;
  point.set(quote.attestationKey, 1);
  if (!verifyEcdsa("p256", point, quote.signed, quote.signature)) {
    throw new AttestationError("quote_signature_invalid", "quote is not signed by its attestation key");
  }
}

function checkPlatform(
  quote: Quote,
  platform: PckPlatform,
  { tcbInfo, qeIdentity }: VerifiedCollateral,
): void {
  const isTdx = quote.body.kind !== "sgx";
  if (tcbInfo.id !== (isTdx ? "TDX" : "SGX")) {
    throw new AttestationError("tcb_info_mismatch", `TCB info is for ${tcbInfo.id}`);
  }
  if (qeIdentity.id !== (isTdx ? "TD_QE" : "QE")) {
    throw new AttestationError("qe_identity_mismatch", `QE identity is of ${qeIdentity.id}`);
  }
  if (!equalBytes(platform.fmspc, tcbInfo.fmspc)) {
    const [ours, theirs] = [toHex(platform.fmspc), toHex(tcbInfo.fmspc)];
    throw new AttestationError("fmspc_mismatch", `the platform has FMSPC ${ours}, TCB info is for ${theirs}`);
  }
  if (!equalBytes(platform.pceId, tcbInfo.pceId)) {
    throw new AttestationError("pce_id_mismatch", "the platform has another PCE id than TCB info");
  }
}

/**
 * A quote with its collateral, at one time, under one of the roots. What holds is that a genuine platform made the
 * quote and how current it is; whether that is good enough is for the appraisal.
 * @throws AttestationError, X509Error
 */
export function verifyQuote(quote: Quote, collateral: DcapCollateral, options: DcapOptions): VerifiedQuote {
  const { checks, nowSeconds } = options;
  const verified = verifyCollateral(collateral, options);
  const pck = checks.run("pck_chain", "PCK chain leads to the root; none of it is revoked", () =>
    verifyPck(quote, collateral, verified, nowSeconds),
  );
  const platform = checks.run("platform_identity", "TCB info and QE identity are for this platform", () => {
    const parsed = parsePckPlatform(pck);
    checkPlatform(quote, parsed, verified);
    return parsed;
  });
  checks.run("qe_report_signature", "QE report is signed by the PCK", () => verifyQeReport(quote, pck));
  checks.run("qe_report_data", "QE report vouches for the attestation key", () => verifyQeReportData(quote));
  const qe = checks.run("qe_identity", "quoting enclave is the expected one", () =>
    evaluateQe(verified.qeIdentity, quote.qeReport),
  );
  checks.run("quote_signature", "quote is signed by the attestation key", () => verifyQuoteSignature(quote));
  const { body } = quote;
  const tcb = checks.run("tcb_level", "platform reaches a TCB level", () =>
    body.kind === "sgx"
      ? evaluateSgxTcb(verified.tcbInfo, platform, qe)
      : evaluateTdxTcb(verified.tcbInfo, platform, body, qe),
  );
  return {
    quote,
    root: verified.root,
    platform,
    tcb,
    collateralValidFrom: verified.validFrom,
    collateralValidUntil: verified.validUntil,
  };
}
