/**
 * Signature verification in Node, by OpenSSL. Same exports as `p256.browser.ts`.
 * Importing a key costs most of a verification, so imported keys are kept by their SPKI in a bounded LRU; they are
 * public keys, and being there says nothing of trust.
 */
import { constants, createPublicKey, verify, type KeyObject } from "node:crypto";
import { SPKI_PREFIX, type Curve } from "./spki.ts";

const MAX_CACHED_KEYS = 256;
const keys = new Map<string, KeyObject | null>();

function importKey(spki: Uint8Array): KeyObject | null {
  const name = Buffer.from(spki.buffer, spki.byteOffset, spki.byteLength).toString("latin1");
  const known = keys.get(name);
  if (known !== undefined) {
    keys.delete(name);
    keys.set(name, known);
    return known;
  }
  let key: KeyObject | null = null;
  try {
    key = createPublicKey({ key: Buffer.from(spki), format: "der", type: "spki" });
  } catch {
    // A point off the curve or a broken modulus: no signature verifies under it.
  }
  if (keys.size >= MAX_CACHED_KEYS) keys.delete(keys.keys().next().value!);
  keys.set(name, key);
  return key;
}

/** r ‖ s as an Ecdsa-Sig-Value: Node verifies that form in two thirds of the time that it takes for the other. */
function derSignature(raw: Uint8Array, byteLength: number): Uint8Array {
  // Up to 2 + 2 x (2 + 1 + 48) bytes, so every length fits one byte.
  const der = new Uint8Array(8 + 2 * byteLength);
  let end = 2;
  for (const at of [0, byteLength]) {
    let start = at;
    while (start < at + byteLength - 1 && raw[start] === 0) start++;
    const padding = raw[start]! >= 0x80 ? 1 : 0;
    const length = at + byteLength - start;
    der[end] = 0x02;
    der[end + 1] = length + padding;
    der.set(raw.subarray(start, start + length), end + 2 + padding);
    end += 2 + padding + length;
  }
  der[0] = 0x30;
  der[1] = end - 2;
  return der.subarray(0, end);
}

/**
 * ECDSA over P-256 with SHA-256 or P-384 with SHA-384 (FIPS 186-5); any s is accepted.
 * @param point uncompressed: 0x04 ‖ x ‖ y, 65 or 97 bytes
 * @param signature r ‖ s, big-endian, 64 or 96 bytes
 * @returns false for a bad signature, a point off the curve and wrong lengths alike
 */
export function verifyEcdsa(
  curve: Curve,
  point: Uint8Array,
  message: Uint8Array,
  signature: Uint8Array,
): boolean {
  const byteLength = curve === "p256" ? 32 : 48;
  if (point.length !== 2 * byteLength + 1 || point[0] !== 4 || signature.length !== 2 * byteLength)
    return false;
  const spki = new Uint8Array(SPKI_PREFIX[curve].length + point.length);
  spki.set(SPKI_PREFIX[curve]);
  spki.set(point, SPKI_PREFIX[curve].length);
  const key = importKey(spki);
  if (key === null) return false;
  return verify(curve === "p256" ? "sha256" : "sha384", message, key, derSignature(signature, byteLength));
}

/**
 * RSASSA-PSS (RFC 8017 section 8.1.2) with SHA-384, MGF1 with SHA-384 and a salt of 48 bytes.
 * @param spki SubjectPublicKeyInfo, DER, of a key of 2048 to 4096 bits
 * @returns false for a bad signature or key alike
 */
export function verifyRsaPssSha384(spki: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const key = importKey(spki);
  if (key === null || key.asymmetricKeyType !== "rsa") return false;
  const bitLength = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bitLength < 2048 || bitLength > 4096) return false;
  return verify(
    "sha384",
    message,
    { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 48 },
    signature,
  );
}

/**
 * RSASSA-PKCS1-v1_5 (RFC 8017 section 8.2.2) with SHA-256.
 * @param spki SubjectPublicKeyInfo, DER, of a key of 2048 to 4096 bits
 * @returns false for a bad signature or key alike
 */
export function verifyRsaPkcs1Sha256(spki: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const key = importKey(spki);
  if (key === null || key.asymmetricKeyType !== "rsa") return false;
  const bitLength = key.asymmetricKeyDetails?.modulusLength ?? 0;
  if (bitLength < 2048 || bitLength > 4096) return false;
  return verify("sha256", message, { key, padding: constants.RSA_PKCS1_PADDING }, signature);
}
