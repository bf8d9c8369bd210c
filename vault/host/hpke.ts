/**
 * The receiving half of HPKE (RFC 9180) in base mode with DHKEM(X25519, HKDF-SHA256) and HKDF-SHA256, up to the keys of
 * one message. Libraries open messages, and hand out no key: the vault must do the opposite.
 */
import { concat, hkdfExpandSha256, hmacSha256, utf8 } from "../../codec/index.ts";
import { AEAD_NONCE_BYTES, AES_256_GCM, keyBytesOf, SUITE, type AeadId } from "../../sealing/index.ts";
import type { X25519Key } from "./x25519.ts";

const EMPTY = new Uint8Array(0);
const VERSION = utf8("HPKE-v1");
const KEM_SUITE = concat(utf8("KEM"), u16(SUITE.kemId));

export interface HpkeContext {
  key: Uint8Array;
  /** 12 bytes. */
  baseNonce: Uint8Array;
  /** A secret (section 5.3). */
  export(label: Uint8Array, byteLength: number): Uint8Array;
}

/**
 * @param encapsulatedKey 32 bytes
 * @throws Error where the shared secret would be all zeros (section 7.1.4)
 */
export function setUpReceiver(
  receiver: X25519Key,
  encapsulatedKey: Uint8Array,
  info: Uint8Array,
  aeadId: AeadId = AES_256_GCM,
): HpkeContext {
  return keySchedule(decapsulate(receiver, encapsulatedKey), info, aeadId);
}

/** Section 4.1. */
export function decapsulate(receiver: X25519Key, encapsulatedKey: Uint8Array): Uint8Array {
  const shared = receiver.agree(encapsulatedKey);
  const prk = labeledExtract(KEM_SUITE, EMPTY, "eae_prk", shared);
  const context = concat(encapsulatedKey, receiver.publicKey);
  return labeledExpand(KEM_SUITE, prk, "shared_secret", context, 32);
}

/** Section 5.1 with mode_base: no pre-shared key. */
function keySchedule(sharedSecret: Uint8Array, info: Uint8Array, aeadId: AeadId): HpkeContext {
  const suite = concat(utf8("HPKE"), u16(SUITE.kemId), u16(SUITE.kdfId), u16(aeadId));
  const pskIdHash = labeledExtract(suite, EMPTY, "psk_id_hash", EMPTY);
  const infoHash = labeledExtract(suite, EMPTY, "info_hash", info);
  const context = concat(Uint8Array.of(0), pskIdHash, infoHash);
  const secret = labeledExtract(suite, sharedSecret, "secret", EMPTY);
  const exporterSecret = labeledExpand(suite, secret, "exp", context, 32);
  return {
    key: labeledExpand(suite, secret, "key", context, keyBytesOf(aeadId)),
    baseNonce: labeledExpand(suite, secret, "base_nonce", context, AEAD_NONCE_BYTES),
    export: (label, byteLength) => labeledExpand(suite, exporterSecret, "sec", label, byteLength),
  };
}

/** Section 4. */
function labeledExtract(suite: Uint8Array, salt: Uint8Array, label: string, ikm: Uint8Array): Uint8Array {
  return hmacSha256(salt, concat(VERSION, suite, utf8(label), ikm));
}

function labeledExpand(
  suite: Uint8Array,
  prk: Uint8Array,
  label: string,
  info: Uint8Array,
  byteLength: number,
): Uint8Array {
  return hkdfExpandSha256(prk, concat(u16(byteLength), VERSION, suite, utf8(label), info), byteLength);
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff);
}
