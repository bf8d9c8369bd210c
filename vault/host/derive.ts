/** Secrets derived from the cluster storage key. Each use has a subkey of its own, so none reveals another's. */
import { hkdfSha256, hmacSha256, utf8 } from "../../codec/index.ts";
import { keepSecret } from "./secret-memory.ts";

export interface StorageSecrets {
  /** The salt of a request whose caller chose none: 32 bytes. */
  defaultSalt(requestId32: Uint8Array): Uint8Array;
  /** The AEAD key of one stored record: 32 bytes. */
  recordKey(context32: Uint8Array): Uint8Array;
  /** The tag that tells a repeated request from another under the same idempotency key: 32 bytes. */
  idempotencyTag(message: Uint8Array): Uint8Array;
  /** Under which heads of the ledger are authenticated: 32 bytes. */
  ledgerKey: Uint8Array;
  /** Under which allowances are kept, and what was spent of them: 32 bytes. */
  allowanceKey: Uint8Array;
}

export function storageSecrets(storageKey32: Uint8Array): StorageSecrets {
  const subkey = (use: string) =>
    keepSecret(hkdfSha256(storageKey32, utf8(`affidavit.v1.storage.${use}`), 32));
  const saltKey = subkey("salt");
  const recordKey = subkey("record");
  const tagKey = subkey("idempotency");
  return {
    defaultSalt: (requestId32) => hmacSha256(saltKey, requestId32),
    recordKey: (context32) => hmacSha256(recordKey, context32),
    idempotencyTag: (message) => hmacSha256(tagKey, message),
    ledgerKey: subkey("ledger"),
    allowanceKey: subkey("allowance"),
  };
}
