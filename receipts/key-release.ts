/** What a vault and an owner's key broker bind into one release of a model's key. Specification: docs/spec/sealed-models.md. */
import { jcs, sha256, toHex, utf8 } from "../codec/index.ts";

export const KEY_RELEASE_PURPOSE = "affidavit.key_release.v1";

/** All 32 bytes. */
export interface KeyReleaseTerms {
  /** The broker's, for this release alone. */
  nonce: Uint8Array;
  /** X25519 key that the vault drew for this release alone. */
  hpkeKey: Uint8Array;
  modelId: Uint8Array;
  keysetDigest: Uint8Array;
}

/** The exact JCS text: HPKE's `info` of the release, and what the evidence's report data is the SHA-256 of. */
export function keyReleaseText({ nonce, hpkeKey, modelId, keysetDigest }: KeyReleaseTerms): string {
  return jcs({
    purpose: KEY_RELEASE_PURPOSE,
    nonce: toHex(nonce),
    hpke_key: toHex(hpkeKey),
    model_id: toHex(modelId),
    keyset_digest: toHex(keysetDigest),
  });
}

/** sha256(text) ‖ 32 zero bytes: the 64 bytes of report data that evidence for a release carries, and no other does. */
export function keyReleaseReportData(terms: KeyReleaseTerms): Uint8Array {
  const data = new Uint8Array(64);
  data.set(sha256(utf8(keyReleaseText(terms))));
  return data;
}
