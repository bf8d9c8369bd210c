/** Layouts of the operations that sign what comes of a promise: bindings, commitments, proofs, re-executions. */
import { LEAF_BYTES } from "../../receipts/index.ts";
import { block, bytes, list, record, text, u64, u8 } from "./shape.ts";

/** The longest owner-signed document that the vault reads, in bytes. */
export const MAX_OWNER_DOCUMENT_BYTES = 64 * 1024;
/** The longest manifest, in bytes. */
export const MAX_MANIFEST_BYTES = 1024 * 1024;
/** The largest input that a commitment is signed for: canonical tensor bytes. */
export const MAX_COMMITTED_INPUT_BYTES = 64 * 1024;

/** An owner-signed document about a model, and the manifest that says whose the model is. */
export interface OwnedDocument {
  /** Exact text of the circuit binding. */
  document: string;
  /** Exact text of the manifest, whose SHA-256 is the model id. */
  manifest: string;
}

/** An opening of a logged statement's input, and the circuit that it is to be committed to for. */
export interface OpenedInput extends OwnedDocument {
  /** The `InferenceStatement`'s ABI words. */
  words: Uint8Array;
  /** The statement's leaf: 131 bytes. */
  leaf: Uint8Array;
  leafIndex: bigint;
  /** A checkpoint that this log key signed, and the proof from the leaf to it. */
  note: string;
  inclusionProof: readonly Uint8Array[];
  /** Canonical tensor bytes of the whole input. */
  input: Uint8Array;
  /** The request's salt: 32 bytes. */
  salt: Uint8Array;
}

export interface ProofFields {
  /** Digest of the statement that is proved: 32 bytes, as the other digests. */
  subject: Uint8Array;
  circuitId: Uint8Array;
  /** Zero where no proof came. */
  instancesDigest: Uint8Array;
  srsDigest: Uint8Array;
  /** In units of 10^-9; `NOT_COMPARED` where no proof came. */
  difference: bigint;
  /** One of `OUTCOMES`: delivered or expired. */
  outcome: number;
}

export interface ReexecutionFields {
  subject: Uint8Array;
  /** Of the second run: 32 bytes; zero where there was none. */
  executionDigest: Uint8Array;
  difference: bigint;
  tolerance: bigint;
  /** One of `OUTCOMES`. */
  outcome: number;
}

const bytes32 = bytes(32);

export const ownedDocument = record<OwnedDocument>({
  document: text(MAX_OWNER_DOCUMENT_BYTES),
  manifest: text(MAX_MANIFEST_BYTES),
});

export const openedInput = record<OpenedInput>({
  document: text(MAX_OWNER_DOCUMENT_BYTES),
  manifest: text(MAX_MANIFEST_BYTES),
  words: block(1024),
  leaf: bytes(LEAF_BYTES),
  leafIndex: u64,
  note: text(16 * 1024),
  inclusionProof: list(bytes32, 64),
  input: block(MAX_COMMITTED_INPUT_BYTES),
  salt: bytes32,
});

export const proofFields = record<ProofFields>({
  subject: bytes32,
  circuitId: bytes32,
  instancesDigest: bytes32,
  srsDigest: bytes32,
  difference: u64,
  outcome: u8,
});

export const reexecutionFields = record<ReexecutionFields>({
  subject: bytes32,
  executionDigest: bytes32,
  difference: u64,
  tolerance: u64,
  outcome: u8,
});
