/**
 * What depends on the AMD product line: which CPUs belong to it, and how its TCB_VERSION and chip identifier are
 * laid out (SEV-SNP Firmware ABI, AMD publication 56860, section 2.2; VCEK Certificate and KDS Interface, 57230).
 */
import { AttestationError } from "../error.ts";

/** Bergamo and Siena are of the Genoa line: same root, same layouts. */
export type SnpProduct = "Milan" | "Genoa" | "Turin";

/** Security version numbers of the firmware parts, 0 to 255 each. */
export interface SnpTcb {
  readonly bootloader: number;
  readonly tee: number;
  readonly snp: number;
  readonly microcode: number;
  /** Turin alone. */
  readonly fmc: number | undefined;
}

export type SnpTcbPart = keyof SnpTcb;

/** Byte offset of each part in TCB_VERSION; the other bytes are reserved. */
export const SNP_TCB_LAYOUT: Readonly<Record<SnpProduct, Readonly<Partial<Record<SnpTcbPart, number>>>>> = {
  Milan: { bootloader: 0, tee: 1, snp: 6, microcode: 7 },
  Genoa: { bootloader: 0, tee: 1, snp: 6, microcode: 7 },
  Turin: { fmc: 0, bootloader: 1, tee: 2, snp: 3, microcode: 7 },
};

/** Bytes of CHIP_ID that identify the chip, and of hwID in its certificate; the rest of CHIP_ID is zero. */
export const SNP_CHIP_ID_BYTES: Readonly<Record<SnpProduct, number>> = { Milan: 64, Genoa: 64, Turin: 8 };

/**
 * The product line of a CPU by its family and model (each with its extended part added).
 * @throws AttestationError `product_unknown`
 */
export function snpProductOfCpuid(family: number, model: number): SnpProduct {
  if (family === 0x19 && model <= 0x0f) return "Milan";
  if (family === 0x19 && ((model >= 0x10 && model <= 0x1f) || (model >= 0xa0 && model <= 0xaf)))
    return "Genoa";
  if (family === 0x1a && model <= 0x11) return "Turin";
  throw new AttestationError(
    "product_unknown",
    `no known SEV-SNP product has CPU family ${family}, model ${model}`,
  );
}

/**
 * The product line of a certificate's productName extension, such as `Milan-B0`, `Genoa` or `Turin-B1`.
 * @throws AttestationError `product_unknown`
 */
export function snpProductOfName(name: string): SnpProduct {
  const line = name.split("-", 1)[0];
  if (line === "Milan" || line === "Genoa" || line === "Turin") return line;
  if (line === "Bergamo" || line === "Siena") return "Genoa";
  throw new AttestationError("product_unknown", "the certificate names no known SEV-SNP product");
}

/**
 * TCB_VERSION, 8 bytes.
 * @throws AttestationError `report_reserved` where a reserved byte is not zero
 */
export function parseSnpTcb(bytes: Uint8Array, product: SnpProduct): SnpTcb {
  const layout = SNP_TCB_LAYOUT[product];
  const used = new Set(Object.values(layout));
  if (bytes.some((byte, index) => byte !== 0 && !used.has(index))) {
    throw new AttestationError("report_reserved", "a reserved byte of a TCB version is not zero");
  }
  const part = (name: SnpTcbPart) => bytes[layout[name]!]!;
  return {
    bootloader: part("bootloader"),
    tee: part("tee"),
    snp: part("snp"),
    microcode: part("microcode"),
    fmc: layout.fmc === undefined ? undefined : part("fmc"),
  };
}

/** The parts of `tcb` that are below `least`; a part that `least` does not name is not compared. */
export function snpTcbBelow(tcb: SnpTcb, least: Partial<SnpTcb>): SnpTcbPart[] {
  const names = ["bootloader", "tee", "snp", "microcode", "fmc"] as const;
  return names.filter((name) => least[name] !== undefined && (tcb[name] ?? 0) < least[name]);
}
