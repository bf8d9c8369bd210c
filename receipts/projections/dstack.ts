/**
 * The text that dstack's, NEAR's and RedPill's signature endpoints sign: `sha256hex(request):sha256hex(response)`, by
 * secp256k1 as an EIP-191 personal message, or by Ed25519. Unsalted: it is for the caller alone.
 */
import { concat, keccak256, toHex, utf8 } from "../../codec/index.ts";

/** 129 characters. */
export function dstackText(requestHash32: Uint8Array, responseHash32: Uint8Array): string {
  return `${toHex(requestHash32)}:${toHex(responseHash32)}`;
}

/** keccak256 of "\x19Ethereum Signed Message:\n" ‖ length ‖ text (EIP-191 version 0x45): what the receipt key signs. */
export function personalDigest(text: string): Uint8Array {
  const message = utf8(text);
  return keccak256(concat(utf8(`\u0019Ethereum Signed Message:\n${message.length}`), message));
}

export type DstackAlgorithm = "ecdsa" | "ed25519";

/**
 * A quote's 64 bytes of report data for one signer, as dstack's verifiers read them: the 20-byte address or 32-byte
 * Ed25519 key, zero-padded on the right to 32, then the nonce. It cannot be taken for a keyset's report data, whose last
 * 32 bytes are zero after a SHA-256.
 */
export function dstackReportData(signer: Uint8Array, nonce32: Uint8Array): Uint8Array {
  const data = new Uint8Array(64);
  data.set(signer);
  data.set(nonce32, 32);
  return data;
}
