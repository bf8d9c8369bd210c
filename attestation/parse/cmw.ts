/**
 * The RATS conceptual message wrapper as a CBOR record, `[media type, bytes, indicator]`, and the certificate extension that
 * carries one (draft-ietf-rats-msg-wrap sections 3.1 and 4.4): extnValue holds a DER OCTET STRING with the CBOR.
 * What is parsed is not yet trusted.
 */
import { CborError, decodeCbor, encodeCbor } from "../../codec/index.ts";
import { DerError, DerReader, TAG } from "../verify/der.ts";
import { AttestationError } from "../error.ts";

/** TCG DICE's `tcg-dice-conceptual-message-wrapper`. */
export const CMW_OID = "2.23.133.5.4.9";
/** Bits of the indicator. */
export const CMW_KINDS = { endorsements: 2, evidence: 4 } as const;

export interface CmwRecord {
  mediaType: string;
  value: Uint8Array;
  /** Which conceptual messages the value holds: a sum of {@link CMW_KINDS}. */
  kinds: number;
}

const MAX_BYTES = 256 * 1024;

/** The extension's value: DER. */
export function encodeCmwExtension({ mediaType, value, kinds }: CmwRecord): Uint8Array {
  const record = encodeCbor([mediaType, value, kinds]);
  if (record.length > MAX_BYTES) throw new RangeError("a wrapped message is at most 256 KiB");
  return Uint8Array.from([TAG.octetString, ...derLength(record.length), ...record]);
}

/** The shortest form, as DER wants it. */
function derLength(length: number): number[] {
  const bytes: number[] = [];
  for (let rest = length; rest > 0; rest >>>= 8) bytes.unshift(rest & 0xff);
  return length < 0x80 ? [length] : [0x80 | bytes.length, ...bytes];
}

/** @throws AttestationError `evidence_malformed` */
export function parseCmwExtension(extension: Uint8Array): CmwRecord {
  try {
    const reader = new DerReader(extension);
    const record = reader.octets();
    reader.finish();
    const limits = { maxBytes: MAX_BYTES, maxDepth: 2, maxItems: 8 };
    const found = decodeCbor(record, limits);
    if (Array.isArray(found) && found.length === 3) {
      const [mediaType, value, kinds] = found;
      if (typeof mediaType === "string" && value instanceof Uint8Array && typeof kinds === "number")
        return { mediaType, value, kinds };
    }
  } catch (cause) {
    if (!(cause instanceof DerError || cause instanceof CborError)) throw cause;
    throw new AttestationError("evidence_malformed", "the certificate's extension is no wrapped message", {
      cause,
    });
  }
  throw new AttestationError("evidence_malformed", "the wrapped message is not [media type, bytes, kinds]");
}
