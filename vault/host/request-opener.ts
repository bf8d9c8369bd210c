/** Sealed requests: the cluster's HPKE key opens each as far as its own keys, and no encapsulated key twice. */
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
import { x25519FromPrivateKey, type X25519Key } from "./x25519.ts";

/** Encapsulated keys that are remembered; the oldest make place. */
const REMEMBERED = 131_072;

export class RequestOpener {
  readonly #keyId: number;
  readonly #key: X25519Key;
  readonly #seen: ReplayWindow;

  constructor(epoch: number, hpkeKey32: Uint8Array, remembered: number = REMEMBERED) {
    this.#keyId = keyIdOf(epoch);
    this.#key = x25519FromPrivateKey(hpkeKey32);
    this.#seen = new ReplayWindow(remembered);
  }

  /** 32 bytes. */
  get publicKey(): Uint8Array {
    return this.#key.publicKey;
  }

  /** @throws VaultError `sealing_key_unknown`, `sealed_request_replayed`, `sealed_salt_unreadable` */
  exportKeys({ protocol, keyId, aeadId, encapsulatedKey, sealedSalt }: SealedRequest): RequestKeys {
    if (keyId !== this.#keyId) throw new VaultError("sealing_key_unknown");
    const isEhbp = protocol === "ehbp";
    if (isEhbp ? aeadId !== AES_256_GCM : sealedSalt) throw new VaultError("malformed");
    const context = this.#receive(encapsulatedKey, requestInfo(protocol, keyId, aeadId), aeadId);
    if (!this.#seen.add(encapsulatedKey)) throw new VaultError("sealed_request_replayed");
    return {
      key: context.key,
      baseNonce: context.baseNonce,
      responseSecret: context.export(responseExportLabel(protocol), keyBytesOf(aeadId)),
      salt: sealedSalt && this.#openSalt(sealedSalt, encapsulatedKey),
    };
  }

  #receive(encapsulatedKey: Uint8Array, info: Uint8Array, aeadId: AeadId = AES_256_GCM): HpkeContext {
    try {
      return setUpReceiver(this.#key, encapsulatedKey, info, aeadId);
    } catch (cause) {
      throw new VaultError("sealing_key_unknown", { cause });
    }
  }

  /** A one-shot message (RFC 9180 section 6.1), bound to its request: additional data is the request's encapsulated key. */
  #openSalt(sealedSalt: Uint8Array, requestKey: Uint8Array): Uint8Array {
    const { key, baseNonce } = this.#receive(sealedSalt.subarray(0, ENCAPSULATED_KEY_BYTES), SALT_INFO);
    const end = sealedSalt.length - AEAD_TAG_BYTES;
    const decipher = createDecipheriv("aes-256-gcm", key, baseNonce);
    decipher.setAAD(requestKey);
    decipher.setAuthTag(sealedSalt.subarray(end));
    try {
      const salt = decipher.update(sealedSalt.subarray(ENCAPSULATED_KEY_BYTES, end));
      decipher.final();
      return new Uint8Array(salt);
    } catch (cause) {
      throw new VaultError("sealed_salt_unreadable", { cause });
    }
  }
}
