/** The content key, sealed to the owner's broker by HPKE in base mode (RFC 9180 section 6.1), with the suite of sealed requests. */
import { randomBytes } from "node:crypto";
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { x25519 } from "@noble/curves/ed25519.js";
import { concat, equal, fromHex, utf8 } from "../../codec/index.ts";
import { ModelError } from "../errors.ts";
import { malformed, type SealedHead } from "./header.ts";

const INFO = utf8("affidavit.v1.content_key");

const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});

/** For one file alone: 32 bytes. */
export function drawContentKey(): Uint8Array {
  return new Uint8Array(randomBytes(32));
}

/**
 * @param brokerKey X25519, 32 bytes
 * @param headDigest binds the key to what the file says of itself
 * @returns encapsulated key (32) ‖ ciphertext (48)
 */
export async function wrapContentKey(
  brokerKey: Uint8Array,
  headDigest: Uint8Array,
  contentKey: Uint8Array,
): Promise<Uint8Array> {
  const recipientPublicKey = await publicKeyOf(brokerKey);
  const sealed = await suite.seal({ recipientPublicKey, info: INFO }, view(contentKey), view(headDigest));
  return concat(new Uint8Array(sealed.enc), new Uint8Array(sealed.ct));
}

/**
 * @param brokerSecretKey X25519, 32 bytes
 * @throws ModelError `sealed_weights_malformed` where the file is for another broker, `sealed_weights_unreadable`
 */
export async function unwrapContentKey(brokerSecretKey: Uint8Array, head: SealedHead): Promise<Uint8Array> {
  const own = x25519.getPublicKey(brokerSecretKey);
  if (!equal(own, fromHex(head.description.broker))) throw malformed("sealed for another broker");
  const recipientKey = await suite.kem.deserializePrivateKey(view(brokerSecretKey));
  const [enc, ciphertext] = [head.wrappedKey.slice(0, 32), head.wrappedKey.slice(32)];
  try {
    const opened = await suite.open({ recipientKey, enc, info: INFO }, ciphertext, view(head.digest));
    return new Uint8Array(opened);
  } catch (cause) {
    throw new ModelError("sealed_weights_unreadable", "the content key does not open", { cause });
  }
}

async function publicKeyOf(raw: Uint8Array): Promise<CryptoKey> {
  try {
    return await suite.kem.deserializePublicKey(view(raw));
  } catch (cause) {
    throw new ModelError("model_key_invalid", "not an X25519 key", { cause });
  }
}

/** WebCrypto refuses views of shared memory. */
function view(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(bytes);
}
