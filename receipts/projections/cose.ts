/** COSE_Sign1 (RFC 9052 section 4.2), tagged 18: structure alone, whatever the headers say. Nothing here checks a signature. */
import {
  CborTagged,
  decodeCbor,
  encodeCbor,
  type CborLimits,
  type CborMap,
  type CborValue,
} from "../../codec/index.ts";

const TAG_COSE_SIGN1 = 18;

export interface CoseSign1 {
  /** The protected header as it was encoded. */
  protectedHeader: Uint8Array;
  unprotected: CborMap;
  /** null: detached. */
  payload: Uint8Array | null;
  signature: Uint8Array;
}

/** What the signature covers: Sig_structure (RFC 9052 section 4.4) with empty external data. */
export function sigStructure(protectedHeader: Uint8Array, payload: Uint8Array): Uint8Array {
  return encodeCbor(["Signature1", protectedHeader, new Uint8Array(0), payload]);
}

export function encodeCoseSign1({ protectedHeader, unprotected, payload, signature }: CoseSign1): Uint8Array {
  const parts: CborValue[] = [protectedHeader, unprotected, payload, signature];
  return encodeCbor(new CborTagged(TAG_COSE_SIGN1, parts));
}

/**
 * @returns undefined where the bytes are CBOR but no tagged COSE_Sign1
 * @throws CborError where they are not strict CBOR (`decodeCbor`)
 */
export function parseCoseSign1(bytes: Uint8Array, limits: CborLimits): CoseSign1 | undefined {
  const whole = decodeCbor(bytes, limits);
  if (!(whole instanceof CborTagged) || whole.tag !== TAG_COSE_SIGN1) return undefined;
  if (!Array.isArray(whole.value) || whole.value.length !== 4) return undefined;
  const [protectedHeader, unprotected, payload, signature] = whole.value;
  if (!(protectedHeader instanceof Uint8Array) || !(unprotected instanceof Map)) return undefined;
  if (!(payload instanceof Uint8Array || payload === null) || !(signature instanceof Uint8Array))
    return undefined;
  return { protectedHeader, unprotected, payload, signature };
}
