/**
 * What an allowance is for, between its owner and one vault: nobody else reads how much it holds. The owner signs the SHA-256 of
 * the terms, and seals the terms to the cluster's HPKE key (RFC 9180, base mode, DHKEM X25519, HKDF-SHA256, AES-256-GCM).
 *
 * terms = `credits u64 ‖ expiresAtMs u64 ‖ priceList (32) ‖ vault (20) ‖ salt (32)`, big-endian: 100 bytes;
 * info = `"affidavit.v1.allowance" ‖ request digest (32)`; message = `enc (32) ‖ ciphertext (116)`. Browser-safe.
 */
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { concat, utf8 } from "../codec/index.ts";
import { BalanceError } from "./error.ts";
import { MAX_SUPPLY_ATOMIC } from "./supply.ts";

const TERMS_BYTES = 100;
const ENC_BYTES = 32;
const TAG_BYTES = 16;
export const SEALED_TERMS_BYTES = ENC_BYTES + TERMS_BYTES + TAG_BYTES;
/** How far ahead an allowance may end: 31 days, in milliseconds. */
export const MAX_ALLOWANCE_MS = 31 * 24 * 3600 * 1000;

export interface AllowanceTerms {
  /** Atomic units that are taken from the balance, to be spent by inferences. */
  credits: bigint;
  /** Unix milliseconds: what is left then goes back. */
  expiresAtMs: bigint;
  /** SHA-256 of the price list by which it is spent: 32 bytes. */
  priceList: Uint8Array;
  /** The receipt address of the one vault that may spend it: 20 bytes. */
  vault: Uint8Array;
  /** 32 random bytes, without which the signed digest would tell the credits. */
  salt: Uint8Array;
}

/** @throws BalanceError `terms_invalid` */
export function encodeTerms({ credits, expiresAtMs, priceList, vault, salt }: AllowanceTerms): Uint8Array {
  const lengths = priceList.length === 32 && vault.length === 20 && salt.length === 32;
  if (!lengths || credits < 1n || credits > MAX_SUPPLY_ATOMIC || expiresAtMs < 0n || expiresAtMs >= 2n ** 63n)
    throw new BalanceError("terms_invalid", "an allowance has credits, an end, a price list and a vault");
  const numbers = new Uint8Array(16);
  const view = new DataView(numbers.buffer);
  view.setBigUint64(0, credits);
  view.setBigUint64(8, expiresAtMs);
  return concat(numbers, priceList, vault, salt);
}

/** Bytes to terms; who wrote them is not known here. @throws BalanceError `terms_invalid` */
export function parseTerms(bytes: Uint8Array): AllowanceTerms {
  if (bytes.length !== TERMS_BYTES)
    throw new BalanceError("terms_invalid", `terms have ${TERMS_BYTES} bytes`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const terms = {
    credits: view.getBigUint64(0),
    expiresAtMs: view.getBigUint64(8),
    priceList: bytes.slice(16, 48),
    vault: bytes.slice(48, 68),
    salt: bytes.slice(68),
  };
  encodeTerms(terms);
  return terms;
}

/** HPKE's info of the terms that a request names. @param requestDigest 32 bytes, `requestDigest(request)` */
export const termsInfo = (requestDigest: Uint8Array): Uint8Array =>
  concat(utf8("affidavit.v1.allowance"), requestDigest);

const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});

/**
 * The owner's part.
 * @param publicKey the HPKE key of a keyset that was verified: X25519, 32 bytes
 * @throws BalanceError `terms_invalid` also for a public key that is none
 */
export async function sealTerms(
  terms: AllowanceTerms,
  publicKey: Uint8Array,
  requestDigest: Uint8Array,
): Promise<Uint8Array> {
  const plaintext = encodeTerms(terms);
  try {
    const recipientPublicKey = await suite.kem.deserializePublicKey(buffer(publicKey));
    const info = buffer(termsInfo(requestDigest));
    const { enc, ct } = await suite.seal({ recipientPublicKey, info }, buffer(plaintext));
    return concat(new Uint8Array(enc), new Uint8Array(ct));
  } catch (cause) {
    throw new BalanceError("terms_invalid", "the terms cannot be sealed to this key", { cause });
  }
}

function buffer(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
