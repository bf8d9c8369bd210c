/** The HPKE suite of sealed requests, with the AEAD and the hash that are fastest where this runs. */
import {
  AeadId,
  CipherSuite,
  DhkemX25519HkdfSha256,
  HkdfSha256,
  type AeadEncryptionContext,
  type AeadInterface,
} from "@hpke/core";
import { hkdfExpandSha256, hmacSha256 } from "../codec/index.ts";
import { AEAD_NONCE_BYTES, AEAD_TAG_BYTES, openAead, sealAead } from "../sealing/index.ts";

type Bytes = ArrayBufferLike | ArrayBufferView;

const aead: AeadInterface = {
  id: AeadId.Aes256Gcm,
  keySize: 32,
  nonceSize: AEAD_NONCE_BYTES,
  tagSize: AEAD_TAG_BYTES,
  createEncryptionContext(key): AeadEncryptionContext {
    const input = (nonce: Bytes, additionalData: Bytes) => ({
      key: bytesOf(key),
      nonce: bytesOf(nonce),
      additionalData: bytesOf(additionalData),
    });
    return {
      seal: async (nonce, data, aad) => (await sealAead(input(nonce, aad), bytesOf(data))).buffer,
      open: async (nonce, data, aad) => bufferOf(await openAead(input(nonce, aad), bytesOf(data))),
    };
  },
};

/** The key schedule is a score of short hashes: each by WebCrypto would be a wait for another thread. */
class SynchronousHkdf extends HkdfSha256 {
  override async extract(salt: Bytes, ikm: Bytes): Promise<ArrayBuffer> {
    // HMAC fills a key with zeros, so that none and the salt of zeros that HKDF asks for are the same.
    return bufferOf(hmacSha256(bytesOf(salt), bytesOf(ikm)));
  }

  override async expand(prk: Bytes, info: Bytes, byteLength: number): Promise<ArrayBuffer> {
    return bufferOf(hkdfExpandSha256(bytesOf(prk), bytesOf(info), byteLength));
  }
}

export const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new SynchronousHkdf(),
  aead,
});

function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return new Uint8Array(bytes).buffer;
}

function bytesOf(bytes: Bytes): Uint8Array {
  return ArrayBuffer.isView(bytes)
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes);
}
