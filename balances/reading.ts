/**
 * An owner's balance on its way from the vault to the owner: one HPKE message (RFC 9180, base mode, DHKEM X25519,
 * HKDF-SHA256, AES-256-GCM) to the key that the owner's signed request names. Browser-safe.
 *
 * plaintext = `amount u64 ‖ sequence u64`, big-endian; info = `"affidavit.v1.reading" ‖ request digest (32)`;
 * message = `enc (32) ‖ ciphertext (32)`.
 */
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { concat, sha256, utf8 } from "../codec/index.ts";
import { BalanceError } from "./error.ts";

const ENC_BYTES = 32;
const PLAINTEXT_BYTES = 16;
const TAG_BYTES = 16;
export const READING_BYTES = ENC_BYTES + PLAINTEXT_BYTES + TAG_BYTES;

const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});

export interface BalanceReading {
  amountAtomic: bigint;
  /** Of the entry after which the account held that. */
  sequence: bigint;
}

/** A key for one reading: the public part goes into the request, by its SHA-256 as `operandDigest` and beside it whole. */
export interface ReadingKey {
  /** X25519, 32 bytes. */
  publicKey: Uint8Array;
  operandDigest: Uint8Array;
  privateKey: CryptoKey;
}

export async function createReadingKey(): Promise<ReadingKey> {
  const pair = await suite.kem.generateKeyPair();
  const publicKey = new Uint8Array(await suite.kem.serializePublicKey(pair.publicKey));
  return { publicKey, operandDigest: sha256(publicKey), privateKey: pair.privateKey };
}

const infoOf = (requestDigest: Uint8Array): Uint8Array => concat(utf8("affidavit.v1.reading"), requestDigest);

/**
 * The vault's part: seals a reading to the key of a request that it verified.
 * @param publicKey X25519, 32 bytes, whose SHA-256 the request's `operandDigest` is
 * @throws BalanceError `reading_invalid` for a public key that is none
 */
export async function sealReading(
  { amountAtomic, sequence }: BalanceReading,
  publicKey: Uint8Array,
  requestDigest: Uint8Array,
): Promise<Uint8Array> {
  const plaintext = new Uint8Array(PLAINTEXT_BYTES);
  const view = new DataView(plaintext.buffer);
  view.setBigUint64(0, amountAtomic);
  view.setBigUint64(8, sequence);
  try {
    const recipientPublicKey = await suite.kem.deserializePublicKey(buffer(publicKey));
    const info = buffer(infoOf(requestDigest));
    const { enc, ct } = await suite.seal({ recipientPublicKey, info }, buffer(plaintext));
    return concat(new Uint8Array(enc), new Uint8Array(ct));
  } catch (cause) {
    throw new BalanceError("reading_invalid", "the reading cannot be sealed to this key", { cause });
  }
}

/**
 * The owner's part. That the vault and nobody else wrote it rests on the channel or on its logged `Opening`: HPKE's base
 * mode names no sender.
 * @throws BalanceError `reading_invalid` where it was changed, or sealed for another key or request
 */
export async function openReading(
  message: Uint8Array,
  key: Pick<ReadingKey, "privateKey">,
  requestDigest: Uint8Array,
): Promise<BalanceReading> {
  if (message.length !== READING_BYTES)
    throw new BalanceError("reading_invalid", `a reading has ${READING_BYTES} bytes`);
  try {
    const enc = buffer(message.subarray(0, ENC_BYTES));
    const info = buffer(infoOf(requestDigest));
    const opened = await suite.open(
      { recipientKey: key.privateKey, enc, info },
      buffer(message.subarray(ENC_BYTES)),
    );
    const view = new DataView(opened);
    return { amountAtomic: view.getBigUint64(0), sequence: view.getBigUint64(8) };
  } catch (cause) {
    throw new BalanceError("reading_invalid", "the reading does not open", { cause });
  }
}

function buffer(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}
