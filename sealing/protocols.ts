/** The two protocols that carry sealed messages: what each binds into HPKE, and how each derives the answer's keys. */
import { concat, hkdfExpandSha256, hmacSha256, utf8 } from "../codec/index.ts";
import { AEAD_NONCE_BYTES, encodeRequestHeader, type AeadId } from "./suite.ts";

/** Encrypted HTTP Body Protocol, and Oblivious HTTP (RFC 9458). */
export type SealingProtocol = "ehbp" | "ohttp";

const INFO = { ehbp: utf8("ehbp request"), ohttp: utf8("message/bhttp request") } as const;
const EXPORT_LABEL = { ehbp: utf8("ehbp response"), ohttp: utf8("message/bhttp response") } as const;

/** Of AES-256-GCM; as the next. */
export const EXPORT_BYTES = 32;
/** max(Nn, Nk): RFC 9458 section 4.4. */
export const RESPONSE_NONCE_BYTES = 32;

/** HPKE's `info`; Oblivious HTTP binds the request's header (RFC 9458 section 4.3). */
export function requestInfo(protocol: SealingProtocol, keyId: number, aeadId?: AeadId): Uint8Array {
  if (protocol === "ehbp") return INFO.ehbp;
  return concat(INFO.ohttp, Uint8Array.of(0), encodeRequestHeader(keyId, aeadId));
}

/** The exporter context of the secret that the answer's keys come from. */
export function responseExportLabel(protocol: SealingProtocol): Uint8Array {
  return EXPORT_LABEL[protocol];
}

export interface AeadKey {
  /** 32 bytes for AES-256-GCM, 16 for AES-128-GCM. */
  key: Uint8Array;
  /** Of the first message; see {@link chunkNonce}. 12 bytes. */
  baseNonce: Uint8Array;
}

/**
 * The answer's key (RFC 9458 section 4.4).
 * @param secret exported from the request's HPKE context: as long as the AEAD's key, which is as long again
 * @param encapsulatedKey the request's: 32 bytes
 * @param responseNonce as long as the secret
 */
export function responseKey(
  secret: Uint8Array,
  encapsulatedKey: Uint8Array,
  responseNonce: Uint8Array,
): AeadKey {
  const prk = hmacSha256(concat(encapsulatedKey, responseNonce), secret);
  return {
    key: hkdfExpandSha256(prk, utf8("key"), secret.length),
    baseNonce: hkdfExpandSha256(prk, utf8("nonce"), AEAD_NONCE_BYTES),
  };
}

/** The nonce of message `sequence`, from 0: base nonce XOR its big-endian number (RFC 9180 section 5.2). */
export function chunkNonce(baseNonce: Uint8Array, sequence: number): Uint8Array {
  if (!Number.isInteger(sequence) || sequence < 0 || sequence >= 2 ** 32)
    throw new RangeError("a body has fewer than 2^32 chunks");
  const nonce = new Uint8Array(baseNonce);
  const last = new DataView(nonce.buffer, AEAD_NONCE_BYTES - 4);
  last.setUint32(0, (last.getUint32(0) ^ sequence) >>> 0);
  return nonce;
}
