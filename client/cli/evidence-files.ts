/** Evidence, certificates and CRLs as people keep them: raw, hex, base64, PEM or DER, several to a file. */
import { CodecError, fromBase64, fromHex, fromUtf8 } from "../../codec/index.ts";
import { readInput, UsageError } from "./command.ts";

const MAX_EVIDENCE_BYTES = 4 * 1024 * 1024;
const MAX_CERTIFICATES_BYTES = 4 * 1024 * 1024;
const MAX_VALUES = 64;
const DER_SEQUENCE = 0x30;

/** Text that spells bytes in hex or base64 (either alphabet, line breaks allowed); undefined for anything else. */
function spelledBytes(bytes: Uint8Array): Uint8Array | undefined {
  let text: string;
  try {
    text = fromUtf8(bytes).replaceAll(/[\uFEFF\s]/gu, "");
    if (/^(?:0x)?[0-9a-fA-F]+$/.test(text) && text.length % 2 === 0) return fromHex(text);
    if (!/^[A-Za-z0-9+/_-]+={0,2}$/.test(text)) return undefined;
    const digits = text.replaceAll("-", "+").replaceAll("_", "/").replaceAll("=", "");
    return fromBase64(digits + "=".repeat((4 - (digits.length % 4)) % 4));
  } catch (error) {
    if (error instanceof CodecError) return undefined;
    throw error;
  }
}

function asText(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

/**
 * The bytes of the evidence; what is neither hex nor base64 is taken as it is. Undefined where the file is larger
 * than any evidence.
 * @throws UsageError `file_unreadable`
 */
export async function readEvidence(path: string): Promise<Uint8Array | undefined> {
  try {
    const bytes = new Uint8Array(await readInput(path, MAX_EVIDENCE_BYTES));
    const text = asText(bytes).trimStart();
    // Quotes hold PEM too, further in: only a file that starts so is PEM.
    if (text.startsWith("-----BEGIN ")) return new Uint8Array(Buffer.from(text, "latin1"));
    return spelledBytes(bytes) ?? bytes;
  } catch (error) {
    if (error instanceof UsageError && error.code === "file_too_large") return undefined;
    throw error;
  }
}

/** The length of the DER value at an offset, its header included; undefined where there is no whole one. */
function derLength(bytes: Uint8Array, at: number): number | undefined {
  if (bytes[at] !== DER_SEQUENCE) return undefined;
  const first = bytes[at + 1] ?? 0x80;
  const lengthBytes = first < 0x80 ? 0 : first & 0x7f;
  if (first === 0x80 || lengthBytes > 4) return undefined;
  let length = lengthBytes === 0 ? first : 0;
  for (let i = 0; i < lengthBytes; i++) length = length * 256 + (bytes[at + 2 + i] ?? 0);
  const whole = 2 + lengthBytes + length;
  return at + whole <= bytes.length ? whole : undefined;
}

/** DER values one behind the other; what is no whole value stays one piece, for the parser to refuse. */
function splitDer(bytes: Uint8Array): Uint8Array[] {
  const values: Uint8Array[] = [];
  let at = 0;
  while (at < bytes.length && values.length < MAX_VALUES) {
    const length = derLength(bytes, at) ?? bytes.length - at;
    values.push(bytes.subarray(at, at + length));
    at += length;
  }
  return values;
}

/** Blocks with this label; RFC 7468 lets other text stand around them. A broken one stays text, for the parser to refuse. */
function pemBlocks(text: string, label: string): Uint8Array[] {
  const begin = `-----BEGIN ${label}-----`;
  const end = `-----END ${label}-----`;
  const blocks: Uint8Array[] = [];
  let from = text.indexOf(begin);
  while (from >= 0 && blocks.length < MAX_VALUES) {
    const found = text.indexOf(end, from);
    const stop = found < 0 ? text.length : found;
    const body = Buffer.from(text.slice(from + begin.length, stop), "latin1");
    blocks.push((found < 0 ? undefined : spelledBytes(body)) ?? new Uint8Array(body));
    from = text.indexOf(begin, stop);
  }
  return blocks;
}

export type DerLabel = "CERTIFICATE" | "X509 CRL" | "OCSP RESPONSE";

function isText(bytes: Uint8Array): boolean {
  try {
    fromUtf8(bytes);
    return true;
  } catch (error) {
    if (error instanceof CodecError) return false;
    throw error;
  }
}

/**
 * The DER values in a file: PEM blocks with this label, or DER, itself perhaps in base64 or hex. They are not parsed:
 * bytes that are neither are one value, for the parser to refuse.
 * @throws UsageError `file_unreadable`, `file_too_large`
 */
export async function readDerValues(path: string, label: DerLabel): Promise<Uint8Array[]> {
  const bytes = new Uint8Array(await readInput(path, MAX_CERTIFICATES_BYTES));
  const der = bytes[0] === DER_SEQUENCE ? bytes : spelledBytes(bytes);
  const values = der?.[0] === DER_SEQUENCE ? splitDer(der) : pemBlocks(asText(bytes), label);
  if (values.length === 0 && !isText(bytes)) return [bytes];
  if (values.length === 0) throw new UsageError(`${path} holds no ${label} in PEM or DER`, "file_unreadable");
  if (values.length >= MAX_VALUES) throw new UsageError(`${path} holds too many values`, "file_too_large");
  return values;
}
