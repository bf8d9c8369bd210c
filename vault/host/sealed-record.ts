/** Records that only the vault opens: AES-256-GCM under a key of their own. nonce (12) ‖ ciphertext ‖ tag (16). */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { VaultError } from "../error.ts";

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** @param context what the record belongs to, bound as additional data */
export function sealRecord(key32: Uint8Array, context: Uint8Array, plain: Uint8Array): Uint8Array {
  const aeadNonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv("aes-256-gcm", key32, aeadNonce);
  cipher.setAAD(context);
  return Buffer.concat([aeadNonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** @throws VaultError `record_unreadable` */
export function openRecord(key32: Uint8Array, context: Uint8Array, sealed: Uint8Array): Buffer {
  if (sealed.length < NONCE_BYTES + TAG_BYTES) throw new VaultError("record_unreadable");
  const end = sealed.length - TAG_BYTES;
  const decipher = createDecipheriv("aes-256-gcm", key32, sealed.subarray(0, NONCE_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(context);
  decipher.setAuthTag(sealed.subarray(end));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, end)), decipher.final()]);
  } catch (cause) {
    throw new VaultError("record_unreadable", { cause });
  }
}
