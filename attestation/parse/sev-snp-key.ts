/**
 * The certificates of AMD's endorsement keys, VCEK (a chip's) and VLEK (one that AMD lends a cloud provider): what
 * their extensions say of firmware and chip (VCEK Certificate and KDS Interface Specification, AMD publication
 * 57230). Nothing here is trusted before `verify/sev-snp.ts` has checked the chain.
 */
import { AttestationError } from "../error.ts";
import { DerError, DerReader, TAG } from "../verify/der.ts";
import { commonNames } from "../verify/name.ts";
import type { Certificate } from "../verify/x509.ts";
import {
  SNP_CHIP_ID_BYTES,
  SNP_TCB_LAYOUT,
  snpProductOfName,
  type SnpProduct,
  type SnpTcb,
  type SnpTcbPart,
} from "./sev-snp-product.ts";

export interface SnpEndorsementKey {
  readonly kind: "vcek" | "vlek";
  readonly certificate: Certificate;
  readonly product: SnpProduct;
  /** As the certificate spells it, such as `Milan-B0`. */
  readonly productName: string;
  readonly tcb: SnpTcb;
  /** VCEK: the chip's identifier, 64 bytes, or 8 on Turin. */
  readonly hardwareId: Uint8Array | undefined;
  /** VLEK: the cloud provider that AMD loaded the key for. */
  readonly cspId: string | undefined;
}

const ARC = "1.3.6.1.4.1.3704.1";
const OID_PRODUCT_NAME = `${ARC}.2`;
const OID_HARDWARE_ID = `${ARC}.4`;
const OID_CSP_ID = `${ARC}.5`;
const OID_TCB: Readonly<Record<SnpTcbPart, string>> = {
  bootloader: `${ARC}.3.1`,
  tee: `${ARC}.3.2`,
  snp: `${ARC}.3.3`,
  microcode: `${ARC}.3.8`,
  fmc: `${ARC}.3.9`,
};
/** SPL4 to SPL7: parts that no product has yet. */
const OID_RESERVED_TCB = [4, 5, 6, 7].map((part) => `${ARC}.3.${part}`);
const TAG_IA5_STRING = 0x16;

function malformed(message: string): never {
  throw new AttestationError("endorsement_malformed", message);
}

function extensionValue(certificate: Certificate, oid: string): Uint8Array | undefined {
  return certificate.extensions.find((extension) => extension.oid === oid)?.value;
}

function text(value: Uint8Array): string {
  const reader = new DerReader(value);
  const bytes = reader.contentOf(
    reader.value(reader.peek() === TAG.utf8String ? TAG.utf8String : TAG_IA5_STRING),
  );
  reader.finish();
  if (bytes.length > 256 || bytes.some((byte) => byte < 0x20 || byte > 0x7e))
    malformed("a text is not printable");
  return String.fromCharCode(...bytes);
}

function securityVersion(value: Uint8Array): number {
  const reader = new DerReader(value);
  const version = reader.smallInteger();
  reader.finish();
  if (version > 255) malformed("a security version number is above 255");
  return version;
}

function readTcb(certificate: Certificate, product: SnpProduct): SnpTcb {
  for (const oid of OID_RESERVED_TCB) {
    const value = extensionValue(certificate, oid);
    if (value !== undefined && securityVersion(value) !== 0)
      malformed("a reserved security version number is set");
  }
  const part = (name: SnpTcbPart) => {
    const value = extensionValue(certificate, OID_TCB[name]);
    if (value === undefined) malformed(`the certificate has no security version number of ${name}`);
    return securityVersion(value);
  };
  const hasFmc = SNP_TCB_LAYOUT[product].fmc !== undefined;
  return {
    bootloader: part("bootloader"),
    tee: part("tee"),
    snp: part("snp"),
    microcode: part("microcode"),
    fmc: hasFmc ? part("fmc") : undefined,
  };
}

/** hwID: AMD's first certificates hold it bare in the extension, later ones as an OCTET STRING there. */
function readHardwareId(value: Uint8Array, product: SnpProduct): Uint8Array {
  const byteLength = SNP_CHIP_ID_BYTES[product];
  if (value.length === byteLength) return value;
  const isWrapped =
    value.length === byteLength + 2 && value[0] === TAG.octetString && value[1] === byteLength;
  if (!isWrapped) malformed(`the hardware identifier is not of ${byteLength} bytes`);
  return value.subarray(2);
}

function readKind(certificate: Certificate): "vcek" | "vlek" {
  const names = commonNames(certificate.subject);
  if (names.length === 1 && names[0] === "SEV-VCEK") return "vcek";
  if (names.length === 1 && names[0] === "SEV-VLEK") return "vlek";
  malformed("the endorsement key's certificate names neither SEV-VCEK nor SEV-VLEK");
}

function readEndorsementKey(certificate: Certificate): SnpEndorsementKey {
  const kind = readKind(certificate);
  const nameValue = extensionValue(certificate, OID_PRODUCT_NAME);
  if (nameValue === undefined) malformed("the certificate has no product name");
  const productName = text(nameValue);
  const product = snpProductOfName(productName);
  const hardwareValue = extensionValue(certificate, OID_HARDWARE_ID);
  const cspValue = extensionValue(certificate, OID_CSP_ID);
  if ((kind === "vcek") !== (hardwareValue !== undefined))
    malformed("a VCEK names its chip, and a VLEK does not");
  if ((kind === "vlek") !== (cspValue !== undefined))
    malformed("a VLEK names its provider, and a VCEK does not");
  if (certificate.publicKey.type !== "p384") malformed("the endorsement key is not of curve P-384");
  return {
    kind,
    certificate,
    product,
    productName,
    tcb: readTcb(certificate, product),
    hardwareId: hardwareValue && readHardwareId(hardwareValue, product),
    cspId: cspValue && text(cspValue),
  };
}

/**
 * What a VCEK's or VLEK's certificate says.
 * @throws AttestationError `endorsement_malformed`, `product_unknown`
 */
export function readSnpEndorsementKey(certificate: Certificate): SnpEndorsementKey {
  try {
    return readEndorsementKey(certificate);
  } catch (error) {
    if (error instanceof DerError) malformed(error.message);
    throw error;
  }
}
