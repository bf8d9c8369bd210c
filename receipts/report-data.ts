/** What a quote's report data and a GPU's nonce bind: the keyset and the verifier's nonce (aci/1 section 3.2). */
import { fromHex, sha256, toHex, utf8 } from "../codec/index.ts";
import { ReceiptError } from "./error.ts";

function checkNonce(keyset: Uint8Array, nonce: Uint8Array | null): void {
  if (keyset.length !== 32) throw new ReceiptError("nonce_invalid", "a keyset digest is 32 bytes");
  if (nonce !== null && nonce.length !== 32) throw new ReceiptError("nonce_invalid", "a nonce is 32 bytes");
}

/**
 * The exact text whose SHA-256 is the report data (aci/1 section 3.2).
 * @throws ReceiptError `nonce_invalid`
 */
export function attestationStatement(keysetDigest32: Uint8Array, nonce: Uint8Array | null): string {
  checkNonce(keysetDigest32, nonce);
  const quoted = nonce === null ? "null" : `"${toHex(nonce)}"`;
  return `{"keyset_digest":"sha256:${toHex(keysetDigest32)}","nonce":${quoted},"purpose":"aci.report_data.v1"}`;
}

/**
 * sha256(attestation statement) ‖ 32 zero bytes: the 64 bytes of a quote's report data.
 * @throws ReceiptError `nonce_invalid`
 */
export function reportData(keysetDigest32: Uint8Array, nonce: Uint8Array | null): Uint8Array {
  const data = new Uint8Array(64);
  data.set(sha256(utf8(attestationStatement(keysetDigest32, nonce))));
  return data;
}

/**
 * The nonce for GPU evidence: sha256("affidavit.gpu.v1" ‖ nonce or 32 zero bytes ‖ keyset digest), 32 bytes.
 * @throws ReceiptError `nonce_invalid`
 */
export function gpuNonce(keysetDigest32: Uint8Array, nonce: Uint8Array | null): Uint8Array {
  checkNonce(keysetDigest32, nonce);
  return sha256(utf8("affidavit.gpu.v1"), nonce ?? new Uint8Array(32), keysetDigest32);
}

/**
 * A nonce from its 64 lower-case hex digits: aci/1 allows no other spelling.
 * @throws ReceiptError `nonce_invalid`
 */
export function parseNonce(text: string): Uint8Array {
  if (!/^[0-9a-f]{64}$/.test(text))
    throw new ReceiptError("nonce_invalid", "a nonce is 64 lower-case hex digits");
  return fromHex(text, 32);
}
