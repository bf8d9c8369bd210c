/** Sealed requests: the cluster's HPKE keys open each as far as its own keys, and no encapsulated key twice. */
import { createDecipheriv } from "node:crypto";
import {
  AEAD_TAG_BYTES,
  AES_256_GCM,
  type AeadId,
  ENCAPSULATED_KEY_BYTES,
  keyBytesOf,
  keyIdOf,
  requestInfo,
  responseExportLabel,
  SALT_INFO,
} from "../../sealing/index.ts";
import { VaultError } from "../error.ts";
import type { RequestKeys, SealedRequest } from "../wire/sealing.ts";
import { setUpReceiver, type HpkeContext } from "./hpke.ts";
import { ReplayWindow } from "./replay-window.ts";
import type { OpeningKey } from "./sealing-keys.ts";
import type { X25519Key } from "./x25519.ts";

/** Encapsulated keys that are remembered; the oldest make place. */
const REMEMBERED = 131_072;

export class RequestOpener {
  readonly #keys: () => readonly OpeningKey[];
  readonly #seen: ReplayWindow;

  /** @param keys that open requests now, the newest first; at least one */
  constructor(keys: () => readonly OpeningKey[], remembered: number = REMEMBERED) {
    this.#keys = keys;
    this.#seen = new ReplayWindow(remembered);
  }

  /**
   * The keys of one request. EHBP does not say which HPKE key a request is sealed to: a sealed salt shows it, and without one
   * these are what it may be, one of each, of which the request's first frame opens with one.
   * @throws VaultError `sealing_key_unknown`, `sealed_request_replayed`, `sealed_salt_unreadable`
   */
  exportKeys(request: SealedRequest): RequestKeys[] {
    const { protocol, keyId, aeadId, encapsulatedKey, sealedSalt } = request;
    const isEhbp = protocol === "ehbp";
    if (isEhbp ? aeadId !== AES_256_GCM || keyId !== null : sealedSalt || keyId === null)
      throw new VaultError("malformed");
    const candidates = this.#keys().filter(({ epoch }) => isEhbp || keyIdOf(epoch) === keyId);
    if (candidates.length === 0) throw new VaultError("sealing_key_unknown");
    const contexts = candidates.map(({ key }) => {
      const info = requestInfo(protocol, keyId ?? 0, aeadId);
      return { key, context: receive(key, encapsulatedKey, info, aeadId) };
    });
    if (!this.#seen.add(encapsulatedKey)) throw new VaultError("sealed_request_replayed");
    if (sealedSalt) return [withSalt(contexts, sealedSalt, encapsulatedKey)];
    return contexts.map(({ context }) => exported(context, request, null));
  }
}

interface Candidate {
  key: X25519Key;
  context: HpkeContext;
}

function exported(
  context: HpkeContext,
  { protocol, aeadId }: Pick<SealedRequest, "protocol" | "aeadId">,
  salt: Uint8Array | null,
): RequestKeys {
  const responseSecret = context.export(responseExportLabel(protocol), keyBytesOf(aeadId));
  return { key: context.key, baseNonce: context.baseNonce, responseSecret, salt };
}

/** Of the key that the salt is sealed to. */
function withSalt(
  contexts: readonly Candidate[],
  sealedSalt: Uint8Array,
  encapsulatedKey: Uint8Array,
): RequestKeys {
  for (const { key, context } of contexts) {
    const salt = openSalt(key, sealedSalt, encapsulatedKey);
    if (salt) return exported(context, { protocol: "ehbp", aeadId: AES_256_GCM }, salt);
  }
  throw new VaultError("sealed_salt_unreadable");
}

function receive(
  key: X25519Key,
  encapsulatedKey: Uint8Array,
  info: Uint8Array,
  aeadId: AeadId = AES_256_GCM,
): HpkeContext {
  try {
    return setUpReceiver(key, encapsulatedKey, info, aeadId);
  } catch (cause) {
    throw new VaultError("sealing_key_unknown", { cause });
  }
}

/**
 * A one-shot message (RFC 9180 section 6.1), bound to its request: additional data is the request's encapsulated key.
 * @returns undefined where it is not sealed to this key
 */
function openSalt(
  receiver: X25519Key,
  sealedSalt: Uint8Array,
  requestKey: Uint8Array,
): Uint8Array | undefined {
  const { key, baseNonce } = receive(receiver, sealedSalt.subarray(0, ENCAPSULATED_KEY_BYTES), SALT_INFO);
  const end = sealedSalt.length - AEAD_TAG_BYTES;
  const decipher = createDecipheriv("aes-256-gcm", key, baseNonce);
  decipher.setAAD(requestKey);
  decipher.setAuthTag(sealedSalt.subarray(end));
  try {
    const salt = decipher.update(sealedSalt.subarray(ENCAPSULATED_KEY_BYTES, end));
    decipher.final();
    return new Uint8Array(salt);
  } catch {
    return undefined;
  }
}
