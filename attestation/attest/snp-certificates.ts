/**
 * The certificate table that an SEV-SNP host hands to its guest (GHCB specification, 56421, section 4.1.8.1): entries of
 * GUID (16 bytes), offset and length (4 bytes each, little-endian), ended by one of zeros. Nothing in it is trusted.
 */
import { CollectorError } from "./collector-error.ts";

const ENTRY_BYTES = 24;
const MAX_ENTRIES = 16;
/** VCEK, VLEK, ASK and ARK, as their first 16 bytes stand in the table. */
const CERTIFICATE_GUIDS = new Set([
  "63da758de6644564adc5f4b93be8accd",
  "a8074bc2a25a483eaae639c045a0b8a1",
  "4ab7b379bbac4fe4a02f05aef327c782",
  "c0b406a4a803495297433fb6014cd0ae",
]);
const DER_SEQUENCE = 0x30;

/** The certificates in DER; empty where the host gave none. @throws CollectorError `reply_malformed` */
export function snpTableCertificates(interfaceName: string, table: Uint8Array): Uint8Array[] {
  const view = new DataView(table.buffer, table.byteOffset, table.length);
  const certificates: Uint8Array[] = [];
  for (let at = 0; at + ENTRY_BYTES <= table.length; at += ENTRY_BYTES) {
    const entry = table.subarray(at, at + ENTRY_BYTES);
    if (entry.every((byte) => byte === 0)) break;
    if (at / ENTRY_BYTES >= MAX_ENTRIES) {
      throw new CollectorError(
        interfaceName,
        "reply_malformed",
        "the certificate table has too many entries",
      );
    }
    const offset = view.getUint32(at + 16, true);
    const byteLength = view.getUint32(at + 20, true);
    if (offset + byteLength > table.length) {
      throw new CollectorError(interfaceName, "reply_malformed", "the certificate table is cut short");
    }
    const bytes = table.slice(offset, offset + byteLength);
    const isKnown = CERTIFICATE_GUIDS.has(Buffer.from(entry.subarray(0, 16)).toString("hex"));
    if (isKnown && bytes[0] === DER_SEQUENCE) certificates.push(bytes);
  }
  return certificates;
}
