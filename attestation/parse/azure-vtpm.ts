/**
 * Evidence of an Azure confidential VM, as guest components collect it: JSON with the HCL report, a TPM quote by the
 * attestation key with the PCRs, and a TD quote or the VCEK. Bytes are lists of numbers (version 0), or hex and base64.
 */
import { CodecError, fromBase64, fromHex, fromUtf8 } from "../../codec/index.ts";
import { AttestationError } from "../error.ts";
import { PCR_COUNT } from "./tpm-quote.ts";

export interface AzureEvidence {
  readonly hclReport: Uint8Array;
  /** TPMS_ATTEST. */
  readonly message: Uint8Array;
  readonly signature: Uint8Array;
  /** The SHA-256 bank's, all 24. */
  readonly pcrs: readonly Uint8Array[];
  readonly tdQuote: Uint8Array | undefined;
  /** DER or PEM. */
  readonly vcek: Uint8Array | undefined;
}

const MAX_EVIDENCE_BYTES = 1 << 20;

function malformed(message: string): never {
  throw new AttestationError("azure_malformed", `Azure evidence: ${message}`);
}

function membersOf(value: unknown, what: string): ReadonlyMap<string, unknown> {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    malformed(`${what} is not an object`);
  return new Map(Object.entries(value));
}

function isByte(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= 255;
}

/** Base64 of either alphabet, with padding or without. */
function looseBase64(text: string): Uint8Array {
  const digits = text.replaceAll("-", "+").replaceAll("_", "/").replaceAll("=", "");
  return fromBase64(digits + "=".repeat((4 - (digits.length % 4)) % 4));
}

function bytesIn(value: unknown, what: string, decode: (text: string) => Uint8Array): Uint8Array {
  if (Array.isArray(value)) {
    return value.every(isByte) ? Uint8Array.from(value) : malformed(`${what} is not a list of bytes`);
  }
  try {
    if (typeof value === "string") return decode(value);
  } catch (error) {
    if (!(error instanceof CodecError)) throw error;
  }
  return malformed(`${what} is not bytes`);
}

function certificateIn(value: unknown): Uint8Array {
  return bytesIn(value, "vcek", (text) =>
    text.startsWith("-----")
      ? Uint8Array.from(text, (character) => character.charCodeAt(0) & 0x7f)
      : looseBase64(text),
  );
}

/**
 * @throws AttestationError `azure_malformed`
 */
export function parseAzureEvidence(bytes: Uint8Array): AzureEvidence {
  if (bytes.length > MAX_EVIDENCE_BYTES) malformed("too large");
  let value: unknown;
  try {
    value = JSON.parse(fromUtf8(bytes));
  } catch {
    malformed("not JSON");
  }
  const members = membersOf(value, "the evidence");
  const version = members.get("version");
  if (version !== undefined && version !== 1 && version !== 2) malformed("unknown version");
  const quote = membersOf(members.get("tpm_quote") ?? members.get("quote"), "the TPM quote");
  const pcrs = quote.get("pcrs");
  if (!Array.isArray(pcrs) || pcrs.length !== PCR_COUNT) malformed(`not ${PCR_COUNT} PCRs`);
  const [tdQuote, vcek] = [members.get("td_quote"), members.get("vcek")];
  return {
    hclReport: bytesIn(members.get("hcl_report") ?? members.get("report"), "the HCL report", looseBase64),
    message: bytesIn(quote.get("message"), "message", fromHex),
    signature: bytesIn(quote.get("signature"), "signature", fromHex),
    pcrs: pcrs.map((pcr: unknown) => {
      const register = bytesIn(pcr, "a PCR", fromHex);
      return register.length === 32 ? register : malformed("a PCR is not of 32 bytes");
    }),
    tdQuote:
      tdQuote === undefined || tdQuote === null ? undefined : bytesIn(tdQuote, "td_quote", looseBase64),
    vcek: vcek === undefined || vcek === null ? undefined : certificateIn(vcek),
  };
}
