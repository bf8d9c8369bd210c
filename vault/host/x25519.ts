/** X25519 (RFC 7748) by OpenSSL, from a 32-byte private key. */
import { createPrivateKey, createPublicKey, diffieHellman } from "node:crypto";

/** PrivateKeyInfo and SubjectPublicKeyInfo of RFC 8410, up to the key. */
const PKCS8_PREFIX = Buffer.from("302e020100300506032b656e04220420", "hex");
const SPKI_PREFIX = Buffer.from("302a300506032b656e032100", "hex");

export interface X25519Key {
  /** 32 bytes. */
  readonly publicKey: Uint8Array;
  /** The shared secret, 32 bytes. @throws Error where it is all zeros: the other key has a small order */
  agree(otherPublicKey32: Uint8Array): Uint8Array;
}

export function x25519FromPrivateKey(privateKey32: Uint8Array): X25519Key {
  const der = Buffer.concat([PKCS8_PREFIX, privateKey32]);
  const privateKey = createPrivateKey({ key: der, format: "der", type: "pkcs8" });
  der.fill(0);
  const spki = createPublicKey(privateKey).export({ format: "der", type: "spki" });
  return {
    publicKey: new Uint8Array(spki.subarray(SPKI_PREFIX.length)),
    agree(otherPublicKey32) {
      const other = Buffer.concat([SPKI_PREFIX, otherPublicKey32]);
      const publicKey = createPublicKey({ key: other, format: "der", type: "spki" });
      return new Uint8Array(diffieHellman({ privateKey, publicKey }));
    },
  };
}
