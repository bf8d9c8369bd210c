/** The registers of one's own quote in the slots that AIR v1 has for them (draft section 5.2.7): TDX and Nitro alone. */
import { nitroDocumentBytes, parseNitroDocument, parseQuote } from "../../attestation/index.ts";
import type { AirMeasurements } from "../../receipts/index.ts";

const REGISTER_BYTES = 48;

/** null where AIR has no place for this platform, or for registers of this length. */
export function airMeasurements({
  type,
  quote,
}: {
  type: string;
  quote: Uint8Array;
}): AirMeasurements | null {
  if (type === "tdx") return tdxMeasurements(quote);
  if (type === "nitro") return nitroMeasurements(quote);
  return null;
}

function tdxMeasurements(quote: Uint8Array): AirMeasurements | null {
  const { body } = parseQuote(quote);
  if (!("mrTd" in body)) return null;
  const [pcr1, pcr2, pcr3, pcr4] = body.rtmr;
  return {
    measurementType: "tdx-mrtd-rtmr",
    pcr0: body.mrTd.slice(),
    pcr1: pcr1.slice(),
    pcr2: pcr2.slice(),
    pcr3: pcr3.slice(),
    pcr4: pcr4.slice(),
  };
}

function nitroMeasurements(quote: Uint8Array): AirMeasurements | null {
  const { pcrs } = parseNitroDocument(nitroDocumentBytes(quote).bytes);
  const register = (index: number): Uint8Array | undefined => pcrs.get(index)?.slice();
  const [pcr0, pcr1, pcr2, pcr3, pcr4, pcr8] = [0, 1, 2, 3, 4, 8].map(register);
  if (!pcr0 || !pcr1 || !pcr2) return null;
  const all = { pcr0, pcr1, pcr2, ...(pcr3 && { pcr3 }), ...(pcr4 && { pcr4 }), ...(pcr8 && { pcr8 }) };
  const fit = Object.values(all).every(({ length }) => length === REGISTER_BYTES);
  return fit ? { measurementType: "nitro-pcr", ...all } : null;
}
