/**
 * Collateral of a TDX or SGX quote from Intel's provisioning certification service, API version 4, or a PCCS, which
 * answers alike. The texts come exactly as they were signed; nothing here verifies them.
 */
import { CodecError, fromUtf8, toHex, type Json } from "../../codec/index.ts";
import { TEE_TDX } from "../parse/dcap-fields.ts";
import { parsePckPlatform } from "../parse/dcap-pck.ts";
import { CERTIFICATION } from "../parse/dcap-fields.ts";
import { parseQuote } from "../parse/dcap.ts";
import { commonNames } from "../verify/name.ts";
import { parsePem } from "../verify/pem.ts";
import { parseCertificate, type Certificate } from "../verify/x509.ts";
import { EndorsementError } from "./fetch-error.ts";
import type { Ask, EndorsementAnswer } from "./fetch-http.ts";

/** Bases of the services, without a slash at the end. */
export interface DcapSources {
  readonly pcs: string;
  /** The root CA's CRL in DER, for Intel's own service, which does not answer `rootcacrl`; undefined asks `pcs` for it. */
  readonly rootCrl: string | undefined;
}

export const INTEL_PCS: DcapSources = {
  pcs: "https://api.trustedservices.intel.com",
  rootCrl: "https://certificates.trustedservices.intel.com/IntelSGXRootCA.der",
};

const MAX_DOCUMENT_BYTES = 2 << 20;
const DER_SEQUENCE = 0x30;

function malformed(message: string): never {
  throw new EndorsementError("endorsement_malformed", message);
}

function textOf(body: Uint8Array, what: string): string {
  try {
    return fromUtf8(body);
  } catch (error) {
    if (error instanceof CodecError) malformed(`${what} is not text`);
    throw error;
  }
}

function headerChain({ headers }: EndorsementAnswer, names: readonly string[]): string {
  const found = names.map((name) => headers[name]).find((value) => value !== undefined);
  if (found === undefined) malformed(`the answer has no header ${names[0]}`);
  try {
    return decodeURIComponent(found);
  } catch {
    return malformed(`header ${names[0]} is not URL-encoded`);
  }
}

/** `{"NAME":DOCUMENT,"signature":"HEX"}`, where the document's very bytes are signed. */
function signedDocument(body: Uint8Array, name: string): { text: string; signature: string } {
  const text = textOf(body, name).trim();
  const start = `{"${name}":`;
  const end = /,"signature":"([0-9a-fA-F]{128})"\}$/.exec(text.slice(-150));
  if (!text.startsWith(start) || !end) malformed(`the answer is not a signed ${name}`);
  const document = text.slice(start.length, text.length - end[0].length);
  try {
    JSON.parse(document);
  } catch {
    malformed(`${name} is not JSON`);
  }
  return { text: document, signature: end[1]!.toLowerCase() };
}

/** A CRL in DER, or in hex as a PCCS has it; hex. */
function crlHex(body: Uint8Array): string {
  if (body[0] === DER_SEQUENCE) return toHex(body);
  const text = textOf(body, "a CRL").trim();
  if (!/^30[0-9a-fA-F]+$/.test(text) || text.length % 2 !== 0) malformed("a CRL is neither DER nor hex");
  return text.toLowerCase();
}

function pckOf(quote: Uint8Array): { certificate: Certificate; isTdx: boolean } {
  const { certificationType, certification, teeType } = parseQuote(quote);
  if (certificationType !== CERTIFICATION.pckChain) {
    throw new EndorsementError(
      "endorsement_unsupported",
      "the quote carries no PCK chain, and none is fetched",
    );
  }
  const end = certification.indexOf(0);
  const bytes = end < 0 ? certification : certification.subarray(0, end);
  const [leaf] = parsePem(textOf(bytes, "the PCK chain"));
  if (!leaf) malformed("the quote carries an empty PCK chain");
  return { certificate: parseCertificate(leaf), isTdx: teeType === TEE_TDX };
}

/** The authority that issued the PCK, as the service calls it. */
function authorityOf(certificate: Certificate): "platform" | "processor" {
  const name = commonNames(certificate.issuer)[0] ?? "";
  if (name.includes("Platform")) return "platform";
  if (name.includes("Processor")) return "processor";
  throw new EndorsementError(
    "endorsement_unsupported",
    "the PCK's issuer is neither platform nor processor CA",
  );
}

/**
 * @returns `QuoteCollateralV3` as JSON
 * @throws EndorsementError; AttestationError, X509Error where the quote does not say what to ask for
 */
export async function fetchDcapCollateral(quote: Uint8Array, ask: Ask, sources: DcapSources): Promise<Json> {
  const { certificate, isTdx } = pckOf(quote);
  const fmspc = toHex(parsePckPlatform(certificate).fmspc);
  const base = (technology: "sgx" | "tdx") => `${sources.pcs}/${technology}/certification/v4`;
  const own = base(isTdx ? "tdx" : "sgx");
  const get = (url: string, ...headers: string[]) => ask({ url, headers, maxBytes: MAX_DOCUMENT_BYTES });
  const [pckCrl, rootCrl, tcb, identity] = await Promise.all([
    get(`${base("sgx")}/pckcrl?ca=${authorityOf(certificate)}&encoding=der`, "sgx-pck-crl-issuer-chain"),
    get(sources.rootCrl ?? `${base("sgx")}/rootcacrl`),
    get(`${own}/tcb?fmspc=${fmspc}`, "tcb-info-issuer-chain", "sgx-tcb-info-issuer-chain"),
    get(`${own}/qe/identity`, "sgx-enclave-identity-issuer-chain"),
  ]);
  const tcbInfo = signedDocument(tcb.body, "tcbInfo");
  const qeIdentity = signedDocument(identity.body, "enclaveIdentity");
  return {
    pck_crl_issuer_chain: headerChain(pckCrl, ["sgx-pck-crl-issuer-chain"]),
    root_ca_crl: crlHex(rootCrl.body),
    pck_crl: crlHex(pckCrl.body),
    tcb_info_issuer_chain: headerChain(tcb, ["tcb-info-issuer-chain", "sgx-tcb-info-issuer-chain"]),
    tcb_info: tcbInfo.text,
    tcb_info_signature: tcbInfo.signature,
    qe_identity_issuer_chain: headerChain(identity, ["sgx-enclave-identity-issuer-chain"]),
    qe_identity: qeIdentity.text,
    qe_identity_signature: qeIdentity.signature,
  };
}
