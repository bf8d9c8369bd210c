/**
 * Records that leave the TEE, as storage holds them: AES-256-GCM under a key that the vault derives for this one record.
 * aeadNonce (12) ‖ ciphertext ‖ tag (16); the record's context is bound as additional data.
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** @param plain the parts of one plaintext, in order */
export function sealRecord(key32: Uint8Array, context: Uint8Array, plain: readonly Uint8Array[]): Uint8Array {
  const aeadNonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key32, aeadNonce);
  cipher.setAAD(context);
  return Buffer.concat([
    aeadNonce,
    ...plain.map((part) => cipher.update(part)),
    cipher.final(),
    cipher.getAuthTag(),
  ]);
}

/** The plaintext; undefined where the record was changed, is another's or was sealed under another key. */
export function openRecord(key32: Uint8Array, context: Uint8Array, sealed: Uint8Array): Buffer | undefined {
  const end = sealed.length - TAG_BYTES;
  if (end < NONCE_BYTES) return undefined;
  const decipher = createDecipheriv("aes-256-gcm", key32, sealed.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(context);
  decipher.setAuthTag(sealed.subarray(end));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, end)), decipher.final()]);
  } catch {
    return undefined;
  }
}
