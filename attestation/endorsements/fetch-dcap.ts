/**
 * Collateral of a TDX or SGX quote from Intel's provisioning certification service, API version 4, or a PCCS, which
 * answers alike. The texts come exactly as they were signed; nothing here verifies them.
 */
import { CodecError, fromUtf8, toHex, type Json } from "../../codec/index.ts";
import { CERTIFICATION, TEE_TDX } from "../parse/dcap-fields.ts";
import { parsePckPlatform } from "../parse/dcap-pck.ts";
import { parseQuote, type Quote } from "../parse/dcap.ts";
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
  /** What Intel's own service wants before it gives PCK certificates out: a subscription's key. */
  readonly subscriptionKey?: string | undefined;
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

function leafOf(chain: string): Certificate {
  const [leaf] = parsePem(chain);
  return leaf ? parseCertificate(leaf) : malformed("the PCK chain is empty");
}

/** The chain that the quote brings. */
function chainInside(certification: Uint8Array): string {
  const end = certification.indexOf(0);
  return textOf(end < 0 ? certification : certification.subarray(0, end), "the PCK chain");
}

/** Certification data of type 3: encrypted PPID (384 bytes), CPU SVN (16), PCE SVN (2), PCE id (2), all as they are sent on. */
const PPID_PARTS = [
  ["encrypted_ppid", 0, 384],
  ["cpusvn", 384, 400],
  ["pcesvn", 400, 402],
  ["pceid", 402, 404],
] as const;

/** The chain of a platform that the quote only names; `parseQuote` has seen that it is named whole. */
async function chainFor(
  quote: Quote,
  ask: Ask,
  { pcs, rootCrl, subscriptionKey }: DcapSources,
): Promise<string> {
  const { certification, userData } = quote;
  const parts = new URLSearchParams();
  for (const [name, from, to] of PPID_PARTS) parts.set(name, toHex(certification.subarray(from, to)));
  // A PCCS finds platforms by their quoting enclave too; Intel's service knows no such parameter.
  if (rootCrl === undefined) parts.set("qeid", toHex(userData.subarray(0, 16)));
  const answer = await ask({
    url: `${pcs}/sgx/certification/v4/pckcert?${parts.toString()}`,
    headers: [PCK_CHAIN_HEADER],
    maxBytes: MAX_DOCUMENT_BYTES,
    ...(subscriptionKey !== undefined && { send: { "ocp-apim-subscription-key": subscriptionKey } }),
  });
  return `${textOf(answer.body, "the PCK certificate").trim()}\n${headerChain(answer, [PCK_CHAIN_HEADER])}`;
}

const PCK_CHAIN_HEADER = "sgx-pck-certificate-issuer-chain";

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
  const parsed = parseQuote(quote);
  const isTdx = parsed.teeType === TEE_TDX;
  const isInside = parsed.certificationType === CERTIFICATION.pckChain;
  const chain = isInside ? chainInside(parsed.certification) : await chainFor(parsed, ask, sources);
  const certificate = leafOf(chain);
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
    ...(!isInside && { pck_certificate_chain: chain }),
  };
}
