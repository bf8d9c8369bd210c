/** AES-256-GCM in browsers, by WebCrypto. Same exports as `aead.node.ts`. */
import { SealingError } from "./error.ts";

export interface AeadInput {
  /** 32 bytes. */
  key: Uint8Array;
  /** 12 bytes. */
  nonce: Uint8Array;
  additionalData?: Uint8Array;
}

/** Ciphertext with its tag of 16 bytes. */
export async function sealAead(input: AeadInput, plain: Uint8Array): Promise<Uint8Array<ArrayBuffer>> {
  const key = await importKey(input, "encrypt");
  return new Uint8Array(await crypto.subtle.encrypt(parametersOf(input), key, view(plain)));
}

/** @throws SealingError `sealed_message_unreadable` */
export async function openAead(input: AeadInput, sealed: Uint8Array): Promise<Uint8Array> {
  const key = await importKey(input, "decrypt");
  try {
    return new Uint8Array(await crypto.subtle.decrypt(parametersOf(input), key, view(sealed)));
  } catch (cause) {
    throw new SealingError("sealed_message_unreadable", "a sealed message does not open", { cause });
  }
}

function importKey({ key }: AeadInput, usage: "encrypt" | "decrypt"): Promise<CryptoKey> {
  return crypto.subtle.importKey("raw", view(key), "AES-GCM", false, [usage]);
}

function parametersOf({ nonce, additionalData }: AeadInput): AesGcmParams {
  const parameters = { name: "AES-GCM", iv: view(nonce) };
  return additionalData ? { ...parameters, additionalData: view(additionalData) } : parameters;
}

/** What WebCrypto takes: nothing here lies in shared memory. */
function view(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes as Uint8Array<ArrayBuffer>;
}
