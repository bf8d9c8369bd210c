/**
 * Certificates and CRL of an SEV-SNP report from AMD's key distribution service (publication 57230, revision 0.52): the
 * VCEK by chip and TCB; the VLEK is not given out there, but by the host beside the report.
 */
import { CodecError, toBase64, toHex, type Json } from "../../codec/index.ts";
import {
  parseSnpTcb,
  SNP_CHIP_ID_BYTES,
  snpProductOfCpuid,
  type SnpProduct,
} from "../parse/sev-snp-product.ts";
import { readSnpEndorsementKey } from "../parse/sev-snp-key.ts";
import { parseSnpReport, type SnpReport } from "../parse/sev-snp.ts";
import { AttestationError } from "../error.ts";
import { DerError } from "../verify/der.ts";
import { parsePem } from "../verify/pem.ts";
import { parseCertificate, X509Error } from "../verify/x509.ts";
import { EndorsementError } from "./fetch-error.ts";
import type { Ask } from "./fetch-http.ts";

export const AMD_KDS = "https://kdsintf.amd.com";

const MAX_CERTIFICATE_BYTES = 16 * 1024;
const MAX_CRL_BYTES = 1 << 20;
/** Reports of version 2 do not say their product. */
const UNNAMED: readonly SnpProduct[] = ["Milan", "Genoa"];

function productsOf({ cpuid }: SnpReport): readonly SnpProduct[] {
  return cpuid ? [snpProductOfCpuid(cpuid.family, cpuid.model)] : UNNAMED;
}

function vcekUrl(kds: string, product: SnpProduct, report: SnpReport): string {
  const chipId = toHex(report.chipId.subarray(0, SNP_CHIP_ID_BYTES[product]));
  const tcb = parseSnpTcb(report.reportedTcb, product);
  const parts = new URLSearchParams();
  if (tcb.fmc !== undefined) parts.set("fmcSPL", String(tcb.fmc));
  parts.set("blSPL", String(tcb.bootloader));
  parts.set("teeSPL", String(tcb.tee));
  parts.set("snpSPL", String(tcb.snp));
  parts.set("ucodeSPL", String(tcb.microcode));
  return `${kds}/vcek/v1/${product}/${chipId}?${parts.toString()}`;
}

async function vcekOf(report: SnpReport, ask: Ask, kds: string): Promise<[SnpProduct, Uint8Array]> {
  if (report.chipId.every((byte) => byte === 0)) {
    throw new EndorsementError(
      "endorsement_unsupported",
      "the report hides its chip: the host must give the VCEK",
    );
  }
  let missing: unknown;
  for (const product of productsOf(report)) {
    try {
      const { body } = await ask({ url: vcekUrl(kds, product, report), maxBytes: MAX_CERTIFICATE_BYTES });
      return [product, body];
    } catch (error) {
      if (!(error instanceof EndorsementError) || error.code !== "endorsement_not_found") throw error;
      missing = error;
    }
  }
  throw missing;
}

/** The endorsement key among the host's certificates: which product it is of. */
function givenKey(certificates: readonly Uint8Array[]): SnpProduct | undefined {
  for (const der of certificates) {
    try {
      return readSnpEndorsementKey(parseCertificate(der)).product;
    } catch (error) {
      const isOther =
        error instanceof AttestationError || error instanceof X509Error || error instanceof DerError;
      if (!isOther) throw error;
    }
  }
  return undefined;
}

function chainOf(body: Uint8Array): Uint8Array[] {
  try {
    return parsePem(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (error) {
    const isForm = error instanceof CodecError || error instanceof DerError || error instanceof TypeError;
    if (isForm) throw new EndorsementError("endorsement_malformed", "the certificate chain is not PEM");
    throw error;
  }
}

/**
 * @param certificates DER, which the host gave beside the report: a VCEK or VLEK among them is used
 * @returns `{"certificates": […], "crls": […]}`, base64 of DER
 * @throws EndorsementError, AttestationError
 */
export async function fetchSnpEndorsements(
  quote: Uint8Array,
  certificates: readonly Uint8Array[],
  ask: Ask,
  kds: string,
): Promise<Json> {
  const report = parseSnpReport(quote);
  const key = report.signingKey;
  const given = givenKey(certificates);
  if (key !== "vcek" && given === undefined) {
    const message = "only the host can give the VLEK, and it gave none";
    throw new EndorsementError("endorsement_unsupported", message);
  }
  const [product, own] = given
    ? [given, certificates]
    : await vcekOf(report, ask, kds).then(([name, der]) => [name, [der]] as const);
  const base = `${kds}/${key === "vlek" ? "vlek" : "vcek"}/v1/${product}`;
  const [chain, crl] = await Promise.all([
    ask({ url: `${base}/cert_chain`, maxBytes: 4 * MAX_CERTIFICATE_BYTES }),
    ask({ url: `${base}/crl`, maxBytes: MAX_CRL_BYTES }),
  ]);
  const all = [...own, ...chainOf(chain.body)].map(toBase64);
  return { certificates: [...new Set(all)].slice(0, 16), crls: [toBase64(crl.body)] };
}
