/**
 * COSE_Sign1 (RFC 9052 section 4.2) in the narrow form that Nitro's documents take: algorithm ES384 alone in the
 * protected header, nothing in the unprotected one, tagged 18 or untagged. Parsing proves nothing: the signature is
 * checked by `verify/nitro.ts`.
 */
import { CborError, CborTagged, decodeCbor, encodeCbor, type CborValue } from "../../codec/index.ts";

export interface CoseSign1 {
  readonly tagged: boolean;
  /** The protected header as it was encoded. */
  readonly protectedHeader: Uint8Array;
  readonly payload: Uint8Array;
  /** r ‖ s, 48 bytes each, big-endian. */
  readonly signature: Uint8Array;
}

const TAG_COSE_SIGN1 = 18;
const LABEL_ALGORITHM = 1;
const ES384 = -35;
const SIGNATURE_BYTES = 96;
const MAX_PAYLOAD_BYTES = 16_384;
/** Heads, header and signature around the longest payload. */
const MAX_BYTES = MAX_PAYLOAD_BYTES + 256;

function refuse(message: string): never {
  throw new CborError("cbor_malformed", message);
}

/** @throws CborError */
export function parseCoseSign1(bytes: Uint8Array): CoseSign1 {
  const whole = decodeCbor(bytes, { maxBytes: MAX_BYTES, maxDepth: 3, maxItems: 16 });
  const tagged = whole instanceof CborTagged;
  if (tagged && whole.tag !== TAG_COSE_SIGN1) refuse("CBOR tag is not that of COSE_Sign1");
  const parts: CborValue = tagged ? whole.value : whole;
  if (!Array.isArray(parts) || parts.length !== 4) refuse("COSE_Sign1 is not an array of four");
  const [protectedHeader, unprotected, payload, signature] = parts;
  if (!(protectedHeader instanceof Uint8Array)) refuse("COSE protected header is not a byte string");
  if (!(unprotected instanceof Map) || unprotected.size !== 0)
    refuse("COSE unprotected header is not an empty map");
  if (!(payload instanceof Uint8Array) || payload.length === 0 || payload.length > MAX_PAYLOAD_BYTES) {
    refuse("COSE payload is not a byte string of 1 to 16384 bytes");
  }
  if (!(signature instanceof Uint8Array) || signature.length !== SIGNATURE_BYTES) {
    refuse("COSE signature is not a byte string of 96 bytes");
  }
  requireEs384(protectedHeader);
  return { tagged, protectedHeader, payload, signature };
}

function requireEs384(protectedHeader: Uint8Array): void {
  const header = decodeCbor(protectedHeader, { maxBytes: 64, maxDepth: 1, maxItems: 4 });
  if (!(header instanceof Map) || header.size !== 1 || header.get(LABEL_ALGORITHM) !== ES384) {
    refuse("COSE protected header is not {algorithm: ES384} alone");
  }
}

/** What the signature covers: Sig_structure (RFC 9052 section 4.4) with empty external data. */
export function signedBytes(cose: Pick<CoseSign1, "protectedHeader" | "payload">): Uint8Array {
  return encodeCbor(["Signature1", cose.protectedHeader, new Uint8Array(0), cose.payload]);
}
