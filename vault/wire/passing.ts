/** The layouts of a passing of the cluster's keys from vault to vault. */
import { MAX_VAULT_POLICY_LENGTH } from "../../receipts/index.ts";
import type { SignedWords } from "./operations.ts";
import { block, bytes, list, nullable, record, text, type Shape } from "./shape.ts";

/** What the receiving vault begins with: 32 bytes each. */
export interface PassingAsked {
  nonce: Uint8Array;
  /** X25519, drawn for this passing alone. */
  hpkeKey: Uint8Array;
}

/** One vault's evidence for the other. */
export interface PeerEvidence {
  /** As `appraise` names it. */
  type: string;
  quote: Uint8Array;
  /** JSON text. */
  endorsements: string;
}

export interface PassingRequest {
  /** The giving vault's. */
  nonce: Uint8Array;
  peer: PeerEvidence;
}

export interface OwnEvidence {
  type: string;
  quote: Uint8Array;
  /** DER, as the host gave them beside the quote; not verified. */
  certificates: readonly Uint8Array[];
}

export interface GivenKeys {
  /** Encapsulated key (32) ‖ ciphertext. */
  sealed: Uint8Array;
  evidence: OwnEvidence;
  /** The signed `KeyRelease`. */
  statement: SignedWords;
}

export interface JoiningEnd {
  sealed: Uint8Array;
  peer: PeerEvidence;
  /** The owner's signed policy, where peers of another image are to be believed; null for the same image alone. */
  policy: string | null;
}

/** Of the other vault's endorsements, in bytes. */
const MAX_ENDORSEMENTS_BYTES = 512 * 1024;
const MAX_SEALED_KEYS_BYTES = 64 * 1024;
const bytes32 = bytes(32);
const nothing = record<object>({});
const sealedKeys = block(MAX_SEALED_KEYS_BYTES);

const peerEvidence = record<PeerEvidence>({
  type: text(64),
  quote: block(128 * 1024),
  endorsements: text(MAX_ENDORSEMENTS_BYTES),
});
const ownEvidence = record<OwnEvidence>({
  type: text(64),
  quote: block(128 * 1024),
  certificates: list(block(16_384), 8),
});
const asked = record<PassingAsked>({ nonce: bytes32, hpkeKey: bytes32 });
const nonce = record<{ nonce: Uint8Array }>({ nonce: bytes32 });

/** @param signed the layout of a signed statement */
export function passingOperations(signed: Shape<SignedWords>) {
  return {
    beginGiving: [asked, nonce],
    giveClusterKeys: [
      record<PassingRequest>({ nonce: bytes32, peer: peerEvidence }),
      record<GivenKeys>({ sealed: sealedKeys, evidence: ownEvidence, statement: signed }),
    ],
    beginJoining: [nothing, asked],
    quoteJoining: [nonce, ownEvidence],
    finishJoining: [
      record<JoiningEnd>({
        sealed: sealedKeys,
        peer: peerEvidence,
        policy: nullable(text(MAX_VAULT_POLICY_LENGTH)),
      }),
      nothing,
    ],
  } as const;
}
