/** The endorsements of evidence, from the files that flags name. */
import type { EvidenceType } from "../../attestation/index.ts";
import { equal, toBase64 } from "../../codec/index.ts";
import { readInput, UsageError } from "./command.ts";
import { readDerValues, type DerLabel } from "./evidence-files.ts";
import { readJson } from "./json-file.ts";

const MAX_RIM_BYTES = 1024 * 1024;
const MAX_COLLATERAL_BYTES = 16 * 1024 * 1024;

export interface EndorsementFlags {
  collateral?: string;
  cert?: string[];
  crl?: string[];
  rim?: string[];
  ocsp?: string[];
}

/**
 * Endorsements as the appraiser of this type takes them; undefined where none were given. Not parsed, nor trusted.
 * @throws UsageError where a file cannot be read, or would not be looked at
 */
export async function endorsementsFrom(type: EvidenceType, values: EndorsementFlags): Promise<unknown> {
  if (type === "nvidia-gpu" || type === "nvidia-switch") return await nvidiaEndorsements(values);
  if (values.rim !== undefined || values.ocsp !== undefined) {
    throw new UsageError("--rim and --ocsp are for nvidia-gpu and nvidia-switch");
  }
  if (type === "sev-snp") return await snpEndorsements(values);
  if (type === "dstack" || type === "azure-vtpm") {
    // Of the platform underneath: certificates are SEV-SNP's, collateral stands for itself.
    const isSnp = values.cert !== undefined || values.crl !== undefined;
    return isSnp ? await snpEndorsements(values) : await dcapCollateral(values);
  }
  if (values.crl !== undefined) {
    const where =
      type === "nitro" ? "no CRLs of Nitro Enclaves exist" : "the CRLs are part of the collateral";
    throw new UsageError(`--crl is for sev-snp: ${where}`);
  }
  return type === "nitro" ? await nitroEndorsements(values) : await dcapCollateral(values);
}

/** A document carries its chain: certificates beside it are read, and the transcript says that they do not count. */
async function nitroEndorsements({ collateral, cert }: EndorsementFlags): Promise<unknown> {
  if (collateral !== undefined) throw new UsageError("--collateral: a Nitro document needs none");
  if (cert === undefined) return undefined;
  const certificates = await readAll(cert, "CERTIFICATE");
  return { certificates: certificates.map(toBase64) };
}

async function dcapCollateral({ collateral, cert }: EndorsementFlags): Promise<unknown> {
  if (collateral === undefined) return undefined;
  const value = await readJson(collateral, MAX_COLLATERAL_BYTES);
  if (cert === undefined || !isObject(value)) return value;
  if (typeof value["pck_certificate_chain"] === "string") {
    throw new UsageError("--cert: the collateral has a PCK chain already");
  }
  const chain = await readAll(cert, "CERTIFICATE");
  return { ...value, pck_certificate_chain: chain.map(pem).join("") };
}

async function snpEndorsements({ collateral, cert = [], crl = [] }: EndorsementFlags): Promise<unknown> {
  const value = collateral === undefined ? {} : await readJson(collateral, MAX_COLLATERAL_BYTES);
  if (cert.length === 0 && crl.length === 0) return value;
  if (!isObject(value)) return value;
  const certificates = await readAll(cert, "CERTIFICATE");
  const crls = await readAll(crl, "X509 CRL");
  return {
    certificates: [...listOf(value, "certificates"), ...certificates.map(toBase64)],
    crls: [...listOf(value, "crls"), ...crls.map(toBase64)],
  };
}

/** The chain of a raw report, leaf first; manifests; OCSP responses. */
async function nvidiaEndorsements(values: EndorsementFlags): Promise<unknown> {
  const { collateral, cert = [], crl, rim = [], ocsp = [] } = values;
  if (collateral !== undefined)
    throw new UsageError("--collateral: NVIDIA evidence has none, see --rim and --ocsp");
  if (crl !== undefined) throw new UsageError("--crl: NVIDIA's certificates are asked after by --ocsp");
  const certificates = await readAll(cert, "CERTIFICATE");
  const responses = await readAll(ocsp, "OCSP RESPONSE");
  const rims: string[] = [];
  for (const path of rim) rims.push(Buffer.from(await readInput(path, MAX_RIM_BYTES)).toString("utf8"));
  return { certificates: certificates.map(toBase64), rims, ocspResponses: responses.map(toBase64) };
}

/** Each value once: the same authority often stands in several files. */
async function readAll(paths: readonly string[], label: DerLabel): Promise<Uint8Array[]> {
  const values: Uint8Array[] = [];
  for (const path of paths) {
    for (const value of await readDerValues(path, label)) {
      if (!values.some((known) => equal(known, value))) values.push(value);
    }
  }
  return values;
}

function pem(der: Uint8Array): string {
  return `-----BEGIN CERTIFICATE-----\n${toBase64(der)}\n-----END CERTIFICATE-----\n`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function listOf(value: Record<string, unknown>, name: string): unknown[] {
  const list = Object.hasOwn(value, name) ? value[name] : [];
  return Array.isArray(list) ? list : [list];
}
