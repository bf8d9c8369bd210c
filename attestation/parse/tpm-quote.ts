/** TPM 2.0 quotes: TPMS_ATTEST with TPMS_QUOTE_INFO (TPM 2.0 Library part 2, sections 10.12.8 and 10.12.1), big-endian. */
import { AttestationError } from "../error.ts";
import { ByteReader } from "./byte-reader.ts";

export interface TpmQuote {
  /** The verifier's nonce, up to 64 bytes. */
  readonly extraData: Uint8Array;
  readonly qualifiedSigner: Uint8Array;
  readonly resetCount: number;
  readonly restartCount: number;
  /** 8 bytes. */
  readonly firmwareVersion: Uint8Array;
  /** PCRs of the SHA-256 bank that the digest is of, ascending. */
  readonly selection: readonly number[];
  /** SHA-256 over the selected PCRs. */
  readonly pcrDigest: Uint8Array;
}

const MAGIC = 0xff54_4347;
const ST_ATTEST_QUOTE = 0x8018;
const SHA256 = 0x000b;
const MAX_NONCE_BYTES = 64;
const MAX_NAME_BYTES = 68;
export const PCR_COUNT = 24;

function malformed(message: string): never {
  throw new AttestationError("tpm_quote_malformed", `TPM quote: ${message}`);
}

function unsupported(message: string): never {
  throw new AttestationError("tpm_quote_unsupported", `TPM quote: ${message}`);
}

function sized(reader: ByteReader, most: number): Uint8Array {
  const byteLength = reader.uintBigEndian(2);
  if (byteLength > most) malformed("a field is too long");
  return reader.take(byteLength);
}

function readSelection(reader: ByteReader): readonly number[] {
  if (reader.uintBigEndian(4) !== 1) unsupported("not of one bank of PCRs");
  if (reader.uintBigEndian(2) !== SHA256) unsupported("not of the SHA-256 bank");
  const bits = reader.take(reader.u8());
  if (bits.length !== PCR_COUNT / 8) unsupported("not a selection among 24 PCRs");
  return Array.from({ length: PCR_COUNT }, (_, index) => index).filter(
    (index) => ((bits[index >> 3]! >> (index & 7)) & 1) === 1,
  );
}

/**
 * One quote, without its signature.
 * @throws AttestationError `tpm_quote_malformed`, `tpm_quote_unsupported`
 */
export function parseTpmQuote(bytes: Uint8Array): TpmQuote {
  const reader = new ByteReader(bytes, malformed);
  // A TPM signs nothing that starts so but what it made itself.
  if (reader.uintBigEndian(4) !== MAGIC) malformed("not made by a TPM");
  if (reader.uintBigEndian(2) !== ST_ATTEST_QUOTE) malformed("not a quote");
  const qualifiedSigner = sized(reader, MAX_NAME_BYTES);
  const extraData = sized(reader, MAX_NONCE_BYTES);
  reader.take(8);
  const resetCount = reader.uintBigEndian(4);
  const restartCount = reader.uintBigEndian(4);
  reader.take(1);
  const firmwareVersion = reader.take(8);
  const selection = readSelection(reader);
  const pcrDigest = sized(reader, 32);
  if (pcrDigest.length !== 32) malformed("the PCR digest is not of 32 bytes");
  reader.finish();
  return { extraData, qualifiedSigner, resetCount, restartCount, firmwareVersion, selection, pcrDigest };
}
