/** The HPKE suite of sealed requests, with the AEAD that is fastest where this runs. */
import {
  AeadId,
  CipherSuite,
  DhkemX25519HkdfSha256,
  HkdfSha256,
  type AeadEncryptionContext,
  type AeadInterface,
} from "@hpke/core";
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
      open: async (nonce, data, aad) =>
        new Uint8Array(await openAead(input(nonce, aad), bytesOf(data))).buffer,
    };
  },
};

export const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead,
});

function bytesOf(bytes: Bytes): Uint8Array {
  return ArrayBuffer.isView(bytes)
    ? new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    : new Uint8Array(bytes);
}
