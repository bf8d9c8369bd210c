/** The layouts of a release of a model's key by its owner's broker. */
import { block, bytes, list, record, text } from "./shape.ts";
import type { SignedWords } from "./operations.ts";

/** What the vault shows a broker. */
export interface ReleaseEvidence {
  /** X25519, drawn for this release alone: 32 bytes. */
  hpkeKey: Uint8Array;
  /** 32 bytes. */
  keysetDigest: Uint8Array;
  type: string;
  quote: Uint8Array;
  /** DER, as the host gave them beside the quote; not verified. */
  certificates: readonly Uint8Array[];
}

/** What a broker answered. All but `sealedKey` 32 bytes. */
export interface BrokersRelease {
  /** Names the release that was begun. */
  nonce: Uint8Array;
  /** Encapsulated key (32) ‖ sealed content key (48). */
  sealedKey: Uint8Array;
  /** SHA-256 of the broker's X25519 key. */
  brokerKeyDigest: Uint8Array;
  /** Of the owner's policy. */
  policyDigest: Uint8Array;
  /** SHA-256 of the attestation result. */
  resultDigest: Uint8Array;
}

export interface ReleasedKey {
  /** Of one file of sealed weights: 32 bytes. Whoever gets it wipes it after use. */
  contentKey: Uint8Array;
  /** The signed `KeyRelease`. */
  statement: SignedWords;
}

const bytes32 = bytes(32);
const MAX_CERTIFICATE_BYTES = 16_384;

export const releaseTerms = record<{ nonce: Uint8Array; modelId: Uint8Array }>({
  nonce: bytes32,
  modelId: bytes32,
});

export const releaseEvidence = record<ReleaseEvidence>({
  hpkeKey: bytes32,
  keysetDigest: bytes32,
  type: text(64),
  quote: block(128 * 1024),
  certificates: list(block(MAX_CERTIFICATE_BYTES), 8),
});

export const brokersRelease = record<BrokersRelease>({
  nonce: bytes32,
  sealedKey: bytes(80),
  brokerKeyDigest: bytes32,
  policyDigest: bytes32,
  resultDigest: bytes32,
});
