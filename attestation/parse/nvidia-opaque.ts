/** NVIDIA's opaque data in an SPDM MEASUREMENTS response: a list of type (2 bytes), length (2) and value, little-endian. */
import { toHex } from "../../codec/index.ts";
import { AttestationError } from "../error.ts";
import { ByteReader } from "./byte-reader.ts";

/** Field types by NVIDIA's names (attestation-sdk and nvtrust name them alike). */
export const OPAQUE_FIELDS = {
  1: "CERT_ISSUER_NAME",
  2: "CERT_AUTHORITY_KEY_IDENTIFIER",
  3: "DRIVER_VERSION",
  4: "GPU_INFO",
  5: "SKU",
  6: "VBIOS_VERSION",
  7: "MANUFACTURER_ID",
  8: "TAMPER_DETECTION",
  9: "SMC",
  10: "VPR",
  11: "NVDEC0_STATUS",
  12: "MSRSCNT",
  13: "CPRINFO",
  14: "BOARD_ID",
  15: "CHIP_SKU",
  16: "CHIP_SKU_MOD",
  17: "PROJECT",
  18: "PROJECT_SKU",
  19: "PROJECT_SKU_MOD",
  20: "FWID",
  21: "PROTECTED_PCIE_STATUS",
  22: "DEVICE_PDI",
  23: "DISABLED_PORTS",
  24: "SWITCH_POSITION_ID",
  25: "SWITCH_LOCK_STATUS",
  26: "SWITCH_GPU_PDIS",
  32: "GPU_LINK_CONN",
  33: "SYS_ENABLE_STATUS",
  34: "OPAQUE_DATA_VERSION",
  35: "CHIP_INFO",
  36: "FEATURE_FLAG",
} as const satisfies Record<number, string>;

/** Values by type; types without a name are kept. */
export type OpaqueData = ReadonlyMap<number, Uint8Array>;

export const OPAQUE = { driverVersion: 3, vbiosVersion: 6, nvdec0: 11, counts: 12, fwid: 20 } as const;
export const OPAQUE_TEXTS = {
  chipSku: 15,
  chipSkuMod: 16,
  project: 17,
  projectSku: 18,
  projectSkuMod: 19,
} as const;
export const PROTECTED_PCIE = 21;
/** Blackwell: the chip, as its driver's manifest is named. */
export const CHIP_INFO = 35;
export const FEATURE_FLAG = 36;

const MAX_FIELDS = 128;

function malformed(message: string): never {
  throw new AttestationError("spdm_opaque_malformed", `opaque data: ${message}`);
}

/** @throws AttestationError `spdm_opaque_malformed` */
export function parseOpaqueData(bytes: Uint8Array): OpaqueData {
  const reader = new ByteReader(bytes, malformed);
  const fields = new Map<number, Uint8Array>();
  while (reader.left > 0) {
    const type = reader.uint(2);
    const value = reader.take(reader.uint(2));
    if (fields.has(type)) malformed(`field ${type} is there twice`);
    if (fields.size === MAX_FIELDS) malformed("too many fields");
    fields.set(type, value);
  }
  return fields;
}

/** ASCII up to the zeros that end it; undefined where the field is missing. @throws AttestationError where it is not text */
export function opaqueText(opaque: OpaqueData, type: number): string | undefined {
  const value = opaque.get(type);
  if (value === undefined) return undefined;
  const zero = value.indexOf(0);
  const text = zero < 0 ? value : value.subarray(0, zero);
  const isText = text.every((byte) => byte > 0x20 && byte < 0x7f);
  const isEnded = zero < 0 || value.subarray(zero).every((byte) => byte === 0);
  if (!isText || !isEnded || text.length > 128) malformed(`field ${type} is not a text`);
  return String.fromCharCode(...text);
}

/**
 * The VBIOS version as NVIDIA writes it, in lower case: a GPU's 8 bytes are the version's first four parts, least
 * significant first, and its last; a switch gives it as text.
 * @throws AttestationError `spdm_opaque_malformed`
 */
export function vbiosVersion(opaque: OpaqueData): string | undefined {
  const value = opaque.get(OPAQUE.vbiosVersion);
  if (value === undefined) return undefined;
  if (value.length !== 8) return opaqueText(opaque, OPAQUE.vbiosVersion)?.toLowerCase();
  const bytes = [value[3]!, value[2]!, value[1]!, value[0]!, value[4]!];
  return bytes.map((byte) => toHex(Uint8Array.of(byte))).join(".");
}
