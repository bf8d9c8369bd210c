/** AES-256-GCM in Node, by OpenSSL on this thread: for the messages here a wait for WebCrypto's threads costs more. Same exports as `aead.browser.ts`. */
import { createCipheriv, createDecipheriv } from "node:crypto";
import { SealingError } from "./error.ts";

const TAG_BYTES = 16;

export interface AeadInput {
  /** 32 bytes. */
  key: Uint8Array;
  /** 12 bytes. */
  nonce: Uint8Array;
  additionalData?: Uint8Array;
}

/** Ciphertext with its tag of 16 bytes. */
export async function sealAead(
  { key, nonce, additionalData }: AeadInput,
  plain: Uint8Array,
): Promise<Uint8Array<ArrayBuffer>> {
  const cipher = createCipheriv("aes-256-gcm", key, nonce);
  if (additionalData) cipher.setAAD(additionalData);
  const sealed = new Uint8Array(plain.length + TAG_BYTES);
  sealed.set(cipher.update(plain));
  cipher.final();
  sealed.set(cipher.getAuthTag(), plain.length);
  return sealed;
}

/** @throws SealingError `sealed_message_unreadable` */
export async function openAead(
  { key, nonce, additionalData }: AeadInput,
  sealed: Uint8Array,
): Promise<Uint8Array> {
  const end = sealed.length - TAG_BYTES;
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, nonce, { authTagLength: TAG_BYTES });
    if (additionalData) decipher.setAAD(additionalData);
    decipher.setAuthTag(sealed.subarray(end));
    const plain = decipher.update(sealed.subarray(0, end));
    decipher.final();
    return plain;
  } catch (cause) {
    throw new SealingError("sealed_message_unreadable", "a sealed message does not open", { cause });
  }
}
