/** The receipt key's signatures: secp256k1, deterministic nonces (RFC 6979), low s, 65 bytes r ‖ s ‖ v. */
import { randomBytes } from "node:crypto";
import { createRequire } from "node:module";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { equal, keccak256 } from "../../codec/index.ts";
import { addressOf, packSignature, recoverSigner } from "../../receipts/index.ts";
import { VaultError } from "../error.ts";

export interface Signer {
  readonly kind: "native" | "noble";
  /** 33 bytes. */
  readonly publicKey: Uint8Array;
  /** 20 bytes. */
  readonly address: Uint8Array;
  sign(digest32: Uint8Array): Uint8Array;
}

interface NativeBinding {
  ecdsaSign(digest: Uint8Array, secretKey: Uint8Array): { signature: Uint8Array; recid: number };
}

/**
 * The package's index would fall back to `elliptic` without a word, so only its binding is loaded; and now, because the
 * vault's own user may not be able to read the installation later.
 */
const NATIVE = loadNative();

function loadNative(): NativeBinding | undefined {
  try {
    return createRequire(import.meta.url)("secp256k1/bindings") as NativeBinding;
  } catch {
    return undefined;
  }
}

function nativeSign(binding: NativeBinding, secretKey: Uint8Array, digest: Uint8Array): Uint8Array {
  const { signature, recid } = binding.ecdsaSign(digest, secretKey);
  return packSignature(signature, recid);
}

function nobleSign(secretKey: Uint8Array, digest: Uint8Array): Uint8Array {
  const recovered = secp256k1.sign(digest, secretKey, { prehash: false, lowS: true, format: "recovered" });
  return packSignature(recovered.subarray(1), recovered[0]!);
}

/**
 * A signer over a key drawn here, which nothing else holds.
 * @param prefer `noble` skips the native binding
 * @throws VaultError `signer_broken` where a test signature does not recover to the key's address
 */
export function createSigner(prefer: "native" | "noble" = "native"): Signer {
  const binding = prefer === "native" ? NATIVE : undefined;
  const secretKey = secp256k1.utils.randomSecretKey(randomBytes(48));
  const publicKey = secp256k1.getPublicKey(secretKey, true);
  const address = addressOf(publicKey);
  const sign = binding
    ? (digest: Uint8Array) => nativeSign(binding, secretKey, digest)
    : (digest: Uint8Array) => nobleSign(secretKey, digest);
  const probe = keccak256(randomBytes(32));
  if (!equal(recoverSigner(probe, sign(probe)), address)) throw new VaultError("signer_broken");
  return { kind: binding ? "native" : "noble", publicKey, address, sign };
}
