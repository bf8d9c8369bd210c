/**
 * Verification of DCAP collateral: TCB info and QE identity with their dates, chains and signatures, and both CRLs.
 * A CRL that is missing, malformed, unsigned or out of date fails the whole.
 */
import { verifyEcdsa } from "#p256";
import { CodecError, fromHex, sha256, toHex, utf8 } from "../../codec/index.ts";
import type { DcapRoot } from "../endorsements/intel-roots.ts";
import { AttestationError } from "../error.ts";
import { COLLATERAL_MEMBERS, parseQeIdentity, parseTcbInfo } from "../parse/dcap-collateral.ts";
import type { DcapCollateral, QeIdentity, TcbInfo } from "../parse/dcap-collateral.ts";
import type { Checks, TranscriptStep } from "../transcript.ts";
import { checkRevoked, isoTime, verifyChain, verifyCrl } from "./chain.ts";
import { DerError } from "./der.ts";
import { commonNames } from "./name.ts";
import { parsePem } from "./pem.ts";
import { equalBytes, KEY_USAGE, parseCertificate, parseCrl, X509Error } from "./x509.ts";
import type { Certificate, Crl } from "./x509.ts";

export interface VerifiedCollateral {
  readonly root: DcapRoot;
  readonly tcbInfo: TcbInfo;
  readonly qeIdentity: QeIdentity;
  readonly rootCrl: Crl;
  readonly pckCrl: Crl;
  /** Who signed the PCK CRL. */
  readonly pckCrlIssuer: Certificate;
  readonly store: CertificateStore;
  /** Seconds since 1970 between which all parts are in date. */
  readonly validFrom: number;
  readonly validUntil: number;
}

export interface CollateralOptions {
  readonly roots: readonly DcapRoot[];
  readonly nowSeconds: number;
  readonly checks: Checks;
  readonly cache?: CollateralCache | undefined;
}

/** The certificates met in one verification, so that each is decoded, parsed and verified once. */
export class CertificateStore {
  private readonly certificates: Certificate[];
  private readonly chains = new Map<string, readonly Certificate[]>();
  /** Those whose signature is their issuer's. */
  readonly verified: Set<Certificate>;

  constructor(certificates: readonly Certificate[], verified: Iterable<Certificate> = []) {
    this.certificates = [...certificates];
    this.verified = new Set(verified);
  }

  /** One that knows the same certificates and shares nothing that changes. */
  copy(): CertificateStore {
    return new CertificateStore(this.certificates, this.verified);
  }

  /** A chain in PEM. @throws X509Error `certificate_malformed` */
  chain(pem: string): readonly Certificate[] {
    const known = this.chains.get(pem);
    if (known !== undefined) return known;
    const chain = decodeChain(pem).map((der) => this.parse(der));
    this.chains.set(pem, chain);
    return chain;
  }

  private parse(der: Uint8Array): Certificate {
    const known = this.certificates.find((certificate) => equalBytes(certificate.der, der));
    if (known !== undefined) return known;
    const certificate = parseCertificate(der);
    this.certificates.push(certificate);
    return certificate;
  }
}

function decodeChain(pem: string): Uint8Array[] {
  try {
    return parsePem(pem);
  } catch (error) {
    if (error instanceof DerError) throw new X509Error("certificate_malformed", error.message);
    throw error;
  }
}

/** That a leaf may sign data and, under a root that says whose, bears the right name. */
export function checkSigner(leaf: Certificate, root: DcapRoot, role: "tcbSigning" | "pck"): void {
  if (leaf.keyUsage !== undefined && (leaf.keyUsage & KEY_USAGE.digitalSignature) === 0) {
    throw new X509Error("certificate_key_usage", "certificate may not sign data");
  }
  if (leaf.publicKey.type !== "p256") {
    throw new X509Error("certificate_algorithm_unsupported", "certificate's key is not on P-256");
  }
  const expected = root.signers?.[role];
  if (expected !== undefined && !commonNames(leaf.subject).includes(expected)) {
    throw new AttestationError("certificate_subject_unexpected", `certificate is not ${expected}`);
  }
}

function rawHex(text: string, name: string, byteLength?: number): Uint8Array {
  try {
    return fromHex(text, byteLength);
  } catch (error) {
    if (error instanceof CodecError)
      throw new AttestationError("collateral_malformed", `${name}: ${error.message}`);
    throw error;
  }
}

/**
 * DER of a CRL in hex, or in PEM, as Intel's service sends CRLs where nobody asks for DER. Not yet trusted.
 * @param name the collateral's member, for the message
 * @throws AttestationError `collateral_malformed`
 */
export function crlBytes(text: string, name: string): Uint8Array {
  if (!text.startsWith("-----")) return rawHex(text, name);
  try {
    const [crl, ...more] = parsePem(text, "X509 CRL");
    if (crl !== undefined && more.length === 0) return crl;
  } catch (error) {
    if (!(error instanceof DerError)) throw error;
  }
  throw new AttestationError("collateral_malformed", `${name} is not one CRL in PEM`);
}

/** What one verification of collateral works on. */
class Work {
  readonly root: DcapRoot;
  readonly store: CertificateStore;
  readonly nowSeconds: number;
  validFrom = 0;
  validUntil = Number.MAX_SAFE_INTEGER;

  constructor(root: DcapRoot, store: CertificateStore, nowSeconds: number) {
    this.root = root;
    this.store = store;
    this.nowSeconds = nowSeconds;
  }

  narrow(from: number, until: number): void {
    this.validFrom = Math.max(this.validFrom, from);
    this.validUntil = Math.min(this.validUntil, until);
  }

  verifyChain(chain: readonly Certificate[], authority: boolean): void {
    const roots = [this.root.certificate];
    const { nowSeconds } = this;
    const { verified } = this.store;
    for (const { notBefore, notAfter } of verifyChain(chain, { roots, nowSeconds, verified, authority })) {
      this.narrow(notBefore, notAfter);
    }
  }
}

/** The root that a chain ends in; the others must lead to the same one. */
function findRoot(chain: readonly Certificate[], roots: readonly DcapRoot[]): DcapRoot {
  const last = chain[chain.length - 1]!;
  const root =
    roots.find(({ certificate }) => equalBytes(certificate.der, last.der)) ??
    roots.find(({ certificate }) => equalBytes(certificate.subject, last.issuer));
  if (root === undefined) {
    throw new X509Error("certificate_untrusted_root", "chain does not end in a trusted root");
  }
  return root;
}

type Document = "tcb_info" | "qe_identity";
const TITLES: Record<Document, string> = { tcb_info: "TCB info", qe_identity: "QE identity" };

function checkDocumentDates(name: Document, document: TcbInfo | QeIdentity, nowSeconds: number): void {
  if (nowSeconds < document.issueDate) {
    const date = isoTime(document.issueDate);
    throw new AttestationError(
      `${name}_not_yet_valid`,
      `${TITLES[name]} was issued in the future, at ${date}`,
    );
  }
  if (nowSeconds > document.nextUpdate) {
    const date = isoTime(document.nextUpdate);
    throw new AttestationError(`${name}_expired`, `${TITLES[name]} was to be renewed by ${date}`);
  }
}

function verifyDocument(
  name: Document,
  collateral: DcapCollateral,
  chain: readonly Certificate[],
  work: Work,
): void {
  // Intel's root issues the signer directly; a longer chain could pass off a platform's key as the signer's.
  if (chain.length !== 2) {
    throw new AttestationError(
      `${name}_chain_length`,
      `${TITLES[name]} has a chain of ${chain.length}, not 2`,
    );
  }
  work.verifyChain(chain, false);
  const signer = chain[0]!;
  checkSigner(signer, work.root, "tcbSigning");
  const signature = rawHex(collateral[`${name}_signature`], `${name}_signature`, 64);
  if (!verifyEcdsa("p256", signer.publicKey.point, utf8(collateral[name]), signature)) {
    throw new AttestationError(`${name}_signature_invalid`, `${TITLES[name]} is not signed by its signer`);
  }
}

interface Crls {
  readonly rootCrl: Crl;
  readonly pckCrl: Crl;
  readonly pckCrlIssuer: Certificate;
}

function verifyRootCrl(collateral: DcapCollateral, work: Work): Crl {
  const rootCrl = parseCrl(crlBytes(collateral.root_ca_crl, "root_ca_crl"));
  verifyCrl(rootCrl, work.root.certificate, work.nowSeconds);
  work.narrow(rootCrl.thisUpdate, rootCrl.nextUpdate);
  checkRevoked(work.root.certificate, rootCrl);
  return rootCrl;
}

function verifyPckCrl(
  collateral: DcapCollateral,
  rootCrl: Crl,
  work: Work,
): Pick<Crls, "pckCrl" | "pckCrlIssuer"> {
  const chain = work.store.chain(collateral.pck_crl_issuer_chain);
  if (chain.length < 2) {
    throw new AttestationError("crl_chain_length", `PCK CRL has a chain of ${chain.length}, not 2`);
  }
  work.verifyChain(chain, true);
  const pckCrlIssuer = chain[0]!;
  if (equalBytes(pckCrlIssuer.issuer, rootCrl.issuer)) checkRevoked(pckCrlIssuer, rootCrl);
  const pckCrl = parseCrl(crlBytes(collateral.pck_crl, "pck_crl"));
  verifyCrl(pckCrl, pckCrlIssuer, work.nowSeconds);
  work.narrow(pckCrl.thisUpdate, pckCrl.nextUpdate);
  return { pckCrl, pckCrlIssuer };
}

/**
 * Collateral under one of the roots, at one time.
 * @throws AttestationError, X509Error
 */
export function verifyCollateral(collateral: DcapCollateral, options: CollateralOptions): VerifiedCollateral {
  const { cache, checks } = options;
  if (cache === undefined) return verifyFresh(collateral, options);
  const key = cache.keyOf(collateral, options.roots);
  const known = cache.find(key, options.nowSeconds);
  if (known !== undefined) {
    for (const { step, detail } of known.steps) checks.note(step, "pass", `${detail} (verified before)`);
    return known.collateral;
  }
  const firstStep = checks.steps.length;
  const verified = verifyFresh(collateral, options);
  cache.add(key, { collateral: verified, steps: checks.steps.slice(firstStep) });
  return verified;
}

function verifyFresh(collateral: DcapCollateral, options: CollateralOptions): VerifiedCollateral {
  const { checks, nowSeconds } = options;
  const tcbInfo = checks.run("tcb_info_dates", "TCB info is in date", () => {
    const parsed = parseTcbInfo(collateral.tcb_info);
    checkDocumentDates("tcb_info", parsed, nowSeconds);
    return parsed;
  });
  const store = new CertificateStore(options.roots.map(({ certificate }) => certificate));
  const work = checks.run("tcb_info_signature", "TCB info is signed under the root", () => {
    const chain = store.chain(collateral.tcb_info_issuer_chain);
    if (chain.length < 2) {
      throw new AttestationError("tcb_info_chain_length", `TCB info has a chain of ${chain.length}, not 2`);
    }
    const started = new Work(findRoot(chain, options.roots), store, nowSeconds);
    verifyDocument("tcb_info", collateral, chain, started);
    return started;
  });
  work.narrow(tcbInfo.issueDate, tcbInfo.nextUpdate);
  const qeIdentity = checks.run("qe_identity_dates", "QE identity is in date", () => {
    const parsed = parseQeIdentity(collateral.qe_identity);
    checkDocumentDates("qe_identity", parsed, nowSeconds);
    return parsed;
  });
  work.narrow(qeIdentity.issueDate, qeIdentity.nextUpdate);
  const qeSigner = checks.run("qe_identity_signature", "QE identity is signed under the root", () => {
    const chain = store.chain(collateral.qe_identity_issuer_chain);
    verifyDocument("qe_identity", collateral, chain, work);
    return chain[0]!;
  });
  const rootCrl = checks.run("root_crl", "root CRL is signed and in date, and revokes no signer", () => {
    const verified = verifyRootCrl(collateral, work);
    checkRevoked(store.chain(collateral.tcb_info_issuer_chain)[0]!, verified);
    checkRevoked(qeSigner, verified);
    return verified;
  });
  const pck = checks.run("pck_crl", "PCK CRL is signed and in date", () =>
    verifyPckCrl(collateral, rootCrl, work),
  );
  const { root, validFrom, validUntil } = work;
  return { root, tcbInfo, qeIdentity, rootCrl, ...pck, store, validFrom, validUntil };
}

interface CacheEntry {
  readonly collateral: VerifiedCollateral;
  readonly steps: readonly TranscriptStep[];
}

const rootKeys = new WeakMap<DcapRoot, string>();

/** What tells one root from another, from its bytes and not from what it says of itself. */
function rootKey(root: DcapRoot): string {
  const known = rootKeys.get(root);
  if (known !== undefined) return known;
  const key = `${toHex(root.certificate.der)} ${root.simulated} ${JSON.stringify(root.signers ?? null)}`;
  rootKeys.set(root, key);
  return key;
}

/**
 * Verified collateral by the digest of its every byte and of the roots, for callers that see many quotes of one
 * platform. An entry is used only while all its parts are in date.
 */
export class CollateralCache {
  private readonly entries = new Map<string, CacheEntry>();
  private readonly maxEntries: number;

  constructor(maxEntries = 16) {
    this.maxEntries = maxEntries;
  }

  keyOf(collateral: DcapCollateral, roots: readonly DcapRoot[]): string {
    const parts = COLLATERAL_MEMBERS.map((name) => collateral[name]);
    for (const root of roots) parts.push(rootKey(root));
    // The lengths before the parts keep two splits of the same text apart.
    return toHex(sha256(utf8(parts.map((part) => part.length).join() + ":" + parts.join(""))));
  }

  find(key: string, nowSeconds: number): CacheEntry | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    const { validFrom, validUntil } = entry.collateral;
    return nowSeconds >= validFrom && nowSeconds <= validUntil ? entry : undefined;
  }

  add(key: string, entry: CacheEntry): void {
    if (this.entries.size >= this.maxEntries) this.entries.delete(this.entries.keys().next().value!);
    this.entries.set(key, entry);
  }
}
