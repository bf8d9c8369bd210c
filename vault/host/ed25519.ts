/** Ed25519 (RFC 8032) by OpenSSL, from a 32-byte seed. */
import { createPrivateKey, createPublicKey, sign } from "node:crypto";

/** PrivateKeyInfo of RFC 8410 section 7, up to the seed. */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b657004220420", "hex");

export interface Ed25519Key {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** 64 bytes. */
  sign(message: Uint8Array): Uint8Array;
}

export function ed25519FromSeed(seed32: Uint8Array): Ed25519Key {
  const der = Buffer.concat([PKCS8_PREFIX, seed32]);
  const key = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  der.fill(0);
  const spki = createPublicKey(key).export({ format: "der", type: "spki" });
  return {
    publicKey: new Uint8Array(spki.subarray(spki.length - 32)),
    sign: (message) => new Uint8Array(sign(null, message, key)),
  };
}
