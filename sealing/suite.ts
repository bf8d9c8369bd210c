/**
 * The HPKE suites (RFC 9180) that sealed requests use, their key identifiers and key configurations (RFC 9458 section 3):
 * AES-256-GCM everywhere and, in Oblivious HTTP, whose clients may have no other, AES-128-GCM. Integers are big-endian.
 */
import { concat, fromHex, toHex, utf8 } from "../codec/index.ts";
import { SealingError } from "./error.ts";

/** DHKEM(X25519, HKDF-SHA256), HKDF-SHA256: RFC 9180 section 7. */
export const SUITE = { kemId: 0x0020, kdfId: 0x0001 } as const;

/** RFC 9180 section 7.3. */
export type AeadId = 1 | 2;
export const AES_128_GCM: AeadId = 1;
export const AES_256_GCM: AeadId = 2;

/** Nk, which is also how long an exported secret and, where it is above Nn, a response nonce is. */
export function keyBytesOf(aeadId: AeadId): 16 | 32 {
  return aeadId === AES_128_GCM ? 16 : 32;
}

/** How the keyset names the suite. */
export const HPKE_ALGORITHM = "hpke-x25519-hkdf-sha256-aes-256-gcm";
export const PUBLIC_KEY_BYTES = 32;
export const ENCAPSULATED_KEY_BYTES = 32;
export const AEAD_NONCE_BYTES = 12;
export const AEAD_TAG_BYTES = 16;
/** An encapsulated key, then a salt of 32 bytes and its tag. */
export const SEALED_SALT_BYTES = ENCAPSULATED_KEY_BYTES + 32 + AEAD_TAG_BYTES;
/** `info` of the one-shot ciphertext that carries a salt; its additional data is the request's encapsulated key. */
export const SALT_INFO: Uint8Array = utf8("affidavit.v1.salt");

export interface HpkeKey {
  /** Names the key in one byte: its epoch modulo 256. */
  keyId: number;
  /** X25519: 32 bytes. */
  publicKey: Uint8Array;
}

interface KeysetKey {
  algo: string;
  keyId: string;
  publicKey: string;
}

/** An HPKE key as the keyset's `e2ee_public_keys` has it; `key_id` is the epoch in decimal. */
export function hpkeKeysetKey(epoch: number, publicKey: Uint8Array): KeysetKey {
  return { algo: HPKE_ALGORITHM, keyId: String(epoch), publicKey: toHex(publicKey) };
}

/** The HPKE keys among a keyset's, in its order: the newest first. Others are passed over. */
export function hpkeKeysOf(keys: readonly KeysetKey[]): HpkeKey[] {
  return keys
    .filter(
      ({ algo, keyId, publicKey }) =>
        algo === HPKE_ALGORITHM &&
        /^[1-9][0-9]{0,9}$/.test(keyId) &&
        publicKey.length === 2 * PUBLIC_KEY_BYTES,
    )
    .map(({ keyId, publicKey }) => ({ keyId: keyIdOf(Number(keyId)), publicKey: fromHex(publicKey) }));
}

export function keyIdOf(epoch: number): number {
  return epoch % 256;
}

/** Key id (1) ‖ KEM (2) ‖ public key (32) ‖ length of what follows (2) ‖ KDF (2) ‖ AEAD (2) …: RFC 9458 section 3.1. */
export function encodeKeyConfig(
  { keyId, publicKey }: HpkeKey,
  aeadIds: AeadId[] = [AES_256_GCM],
): Uint8Array {
  const suites = aeadIds.flatMap((aeadId) => [u16(SUITE.kdfId), u16(aeadId)]);
  return concat(Uint8Array.of(keyId), u16(SUITE.kemId), publicKey, u16(4 * aeadIds.length), ...suites);
}

/** Configurations with their lengths before them and the suite that is liked best first: RFC 9458 section 3.2. */
export function encodeKeyConfigs(keys: readonly HpkeKey[]): Uint8Array {
  return concat(
    ...keys.flatMap((key) => {
      const config = encodeKeyConfig(key, [AES_256_GCM, AES_128_GCM]);
      return [u16(config.length), config];
    }),
  );
}

/** Key id (1) ‖ KEM (2) ‖ KDF (2) ‖ AEAD (2): how an encapsulated request begins (RFC 9458 section 4.3). */
export const REQUEST_HEADER_BYTES = 7;

export function encodeRequestHeader(keyId: number, aeadId: AeadId = AES_256_GCM): Uint8Array {
  return concat(Uint8Array.of(keyId), u16(SUITE.kemId), u16(SUITE.kdfId), u16(aeadId));
}

/** @throws SealingError `key_config_invalid` where the request is too short or of another suite */
export function readRequestHeader(message: Uint8Array): { keyId: number; aeadId: AeadId } {
  const keyId = message[0];
  if (keyId === undefined || message.length < REQUEST_HEADER_BYTES)
    throw new SealingError("key_config_invalid", "an encapsulated request is longer");
  const aeadId = message[REQUEST_HEADER_BYTES - 1] === AES_128_GCM ? AES_128_GCM : AES_256_GCM;
  const wanted = encodeRequestHeader(keyId, aeadId);
  if (!wanted.every((byte, i) => message[i] === byte))
    throw new SealingError("key_config_invalid", "the request is sealed with another suite");
  return { keyId, aeadId };
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value >> 8, value & 0xff);
}
