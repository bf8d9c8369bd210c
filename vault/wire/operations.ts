/** Every operation of the vault: its number and the exact layout of its request and reply. Specification: docs/spec/vault.md. */
import { brokersRelease, releaseEvidence, releaseTerms, type ReleasedKey } from "./key-release.ts";
import {
  block,
  bytes,
  flag,
  list,
  nullable,
  outcome,
  record,
  text,
  u16,
  u64,
  u8,
  type Shape,
} from "./shape.ts";
import { LEAF_BYTES } from "../../receipts/index.ts";
import { allowanceOperations, MAX_SPENT_BYTES } from "./allowances.ts";
import { balanceOperations } from "./balances.ts";
import { openedInput, ownedDocument, proofFields, reexecutionFields } from "./assurance.ts";
import { requestKeys, sealedRequest, sealingKeyList, tendingRequest } from "./sealing.ts";
import { quotedEvidence } from "./evidence.ts";
import { passingOperations } from "./passing.ts";
import { policyDocument, policyView } from "./policy.ts";
import { vaultInfo } from "./info.ts";
import { workerOperations } from "./workers.ts";
import { chainAccount, chainAnswer, signedTransaction, unsignedTransaction } from "./chain.ts";
import {
  MAX_SEALED_BYTES,
  openedProjections,
  projectionRequest,
  type ProjectionRequest,
} from "./projections.ts";

export type { VaultInfo } from "./info.ts";

/** The largest payload of any message, in bytes: a full batch of statements with all that is sealed beside them. */
export const MAX_FRAME_BYTES = 2 * 1024 * 1024;
/** The reply kind of a refusal: one byte, the error's number. */
export const REFUSED_KIND = 0;
/** Tickets one request may draw. */
export const MAX_DRAW = 1024;
/** Statements one request may carry. */
export const MAX_BATCH = 128;
/** The longest message of `idempotencyTag`, in bytes: hash a body first. */
export const MAX_TAG_MESSAGE_BYTES = 64 * 1024;
/** The longest signed note that the vault reads, in bytes. */
export const MAX_NOTE_BYTES = 16 * 1024;
/** Hashes of the longest consistency proof. */
export const MAX_PROOF_NODES = 64;

export interface Operation<Request, Reply> {
  readonly kind: number;
  readonly request: Shape<Request>;
  readonly reply: Shape<Reply>;
}

/** The last checkpoint that the log key signed. */
export interface LastCheckpoint {
  size: bigint;
  /** 32 bytes. */
  root: Uint8Array;
}

export interface KeysetParameters {
  /** Who runs this, as the keyset tells the world: up to 256 bytes of UTF-8; null for nobody. */
  subject: string | null;
  /** When the keyset ends, Unix seconds; in the future and at most 366 days away. */
  notAfterSeconds: bigint;
  /** The log's C2SP origin. */
  logOrigin: string;
  /** TLS keys that the service holds; the keyset marks them `custody: service`. */
  tlsKeys: readonly ServiceTlsKey[];
}

export interface ServiceTlsKey {
  /** SHA-256 of the certificate's SubjectPublicKeyInfo: 32 bytes. */
  spkiSha256: Uint8Array;
  /** Null for any name. */
  domain: string | null;
}

export interface Keyset {
  /** The exact JCS text. */
  text: string;
  /** SHA-256 of the text: 32 bytes. */
  digest: Uint8Array;
}

export interface UnsignedStatement {
  /** The leaf type byte. */
  type: number;
  /** The statement's ABI words, zero where the vault fills in. */
  words: Uint8Array;
  /** What its other forms say beside it; null for none. */
  projection: ProjectionRequest | null;
  /** The allowance that pays for it, 32 bytes; null for none. */
  allowance: Uint8Array | null;
}

/** What one answer is signed for. */
export interface Ticket {
  /** 32 bytes. */
  requestId: Uint8Array;
  /** What `defaultSalt` says of it, told along so that a request need not ask: 32 bytes. */
  defaultSalt: Uint8Array;
}

export interface SignedWords {
  words: Uint8Array;
  digest: Uint8Array;
  signature: Uint8Array;
  sequence: bigint;
  keysetDigest: Uint8Array;
}

/** A ticketed statement as signed. */
export interface SignedTicketed extends SignedWords {
  /** Its other forms, under a key that the vault derives from the statement's digest; null where none were asked for. */
  sealedProjections: Uint8Array | null;
  /** What it spent, sealed, of one length whatever it says; null where balances are off. */
  spent: Uint8Array | null;
}

/** An answer to a contract as signed. */
export interface SignedAnswer extends SignedWords {
  /** That it spent nothing, as beside any other answer; null where balances are off. */
  spent: Uint8Array | null;
}

/** A leaf with what shows that it is in the log. */
export interface LoggedLeaf {
  /** A checkpoint that this log key signed. */
  note: string;
  /** The leaf data: 131 bytes. */
  leaf: Uint8Array;
  leafIndex: bigint;
  /** RFC 9162 section 2.1.3, to the checkpoint's root. */
  inclusionProof: readonly Uint8Array[];
}

/** The log key's signatures for a leaf's COSE forms: 64 bytes each. */
export interface LeafSignatures {
  /** Over the tree's root, as a COSE receipt of the leaf (RFC 9942). */
  receipt: Uint8Array;
  /** Over the leaf data, as a SCITT signed statement (RFC 9943). */
  statement: Uint8Array;
}

export interface CheckpointRequest {
  size: bigint;
  /** 32 bytes. */
  root: Uint8Array;
  /** The size that the consistency proof starts at, where the caller knows it. */
  previousSize: bigint | null;
  /** RFC 9162 section 2.1.4 from the last signed checkpoint's size to this one's. */
  consistencyProof: readonly Uint8Array[];
}

/** The EIP-712 form of a checkpoint. */
export interface Eip712Checkpoint {
  origin: string;
  size: bigint;
  root: Uint8Array;
  keysetDigest: Uint8Array;
  timeMs: bigint;
  /** The signed digest: 32 bytes. */
  digest: Uint8Array;
  /** r ‖ s ‖ v: 65 bytes. */
  signature: Uint8Array;
}

export interface KeysetFields {
  evidenceDigest: Uint8Array;
  endorsementsDigest: Uint8Array;
  notBeforeMs: bigint;
  notAfterMs: bigint;
}

export interface RevocationFields {
  /** 1 keyset, 2 model, 3 circuit, 4 policy. */
  kind: number;
  /** 32 bytes: the digest of what is revoked. */
  subject: Uint8Array;
  /** The leaf index from which the revocation holds. */
  fromIndex: bigint;
}

const bytes32 = bytes(32);

const nothing = record<object>({});

const signedWords = record<SignedWords>({
  words: block(1024),
  digest: bytes32,
  signature: bytes(65),
  sequence: u64,
  keysetDigest: bytes32,
});

const signedTicketed = record<SignedTicketed>({
  words: block(1024),
  digest: bytes32,
  signature: bytes(65),
  sequence: u64,
  keysetDigest: bytes32,
  sealedProjections: nullable(block(MAX_SEALED_BYTES)),
  spent: nullable(block(MAX_SPENT_BYTES)),
});

const signedAnswer = record<SignedAnswer>({
  words: block(1024),
  digest: bytes32,
  signature: bytes(65),
  sequence: u64,
  keysetDigest: bytes32,
  spent: nullable(block(MAX_SPENT_BYTES)),
});

function operation<Request, Reply>(
  kind: number,
  request: Shape<Request>,
  reply: Shape<Reply>,
): Operation<Request, Reply> {
  return { kind, request, reply };
}

const balances = balanceOperations(signedWords);
const workers = workerOperations(signedWords);
const passing = passingOperations(signedWords);
const allowances = allowanceOperations(signedWords);

export const OPERATIONS = {
  describe: operation(1, nothing, vaultInfo),
  drawTickets: operation(
    2,
    record<{ count: number }>({ count: u16 }),
    list(record<Ticket>({ requestId: bytes32, defaultSalt: bytes32 }), MAX_DRAW),
  ),
  installKeyset: operation(
    3,
    record<KeysetParameters>({
      subject: nullable(text(256)),
      notAfterSeconds: u64,
      logOrigin: text(255),
      tlsKeys: list(record<ServiceTlsKey>({ spkiSha256: bytes32, domain: nullable(text(253)) }), 8),
    }),
    record<Keyset>({ text: text(64 * 1024), digest: bytes32 }),
  ),
  quote: operation(4, record<{ nonce: Uint8Array | null }>({ nonce: nullable(bytes32) }), quotedEvidence),
  signKeyset: operation(
    5,
    record<KeysetFields>({
      evidenceDigest: bytes32,
      endorsementsDigest: bytes32,
      notBeforeMs: u64,
      notAfterMs: u64,
    }),
    signedWords,
  ),
  sign: operation(
    6,
    list(
      record<UnsignedStatement>({
        type: u8,
        words: block(1024),
        projection: nullable(projectionRequest),
        allowance: nullable(bytes32),
      }),
      MAX_BATCH,
    ),
    list(outcome(signedTicketed), MAX_BATCH),
  ),
  defaultSalt: operation(7, record<{ requestId: Uint8Array }>({ requestId: bytes32 }), bytes32),
  recordKey: operation(8, record<{ context: Uint8Array }>({ context: bytes32 }), bytes32),
  idempotencyTag: operation(
    9,
    record<{ message: Uint8Array }>({ message: block(MAX_TAG_MESSAGE_BYTES) }),
    bytes32,
  ),
  signCheckpoint: operation(
    10,
    record<CheckpointRequest>({
      size: u64,
      root: bytes32,
      previousSize: nullable(u64),
      consistencyProof: list(bytes32, MAX_PROOF_NODES),
    }),
    record<{ note: string; eip712: Eip712Checkpoint }>({
      note: text(4096),
      eip712: record<Eip712Checkpoint>({
        origin: text(255),
        size: u64,
        root: bytes32,
        keysetDigest: bytes32,
        timeMs: u64,
        digest: bytes32,
        signature: bytes(65),
      }),
    }),
  ),
  lastCheckpoint: operation(11, nothing, nullable(record<LastCheckpoint>({ size: u64, root: bytes32 }))),
  signRevocation: operation(
    13,
    record<RevocationFields>({ kind: u8, subject: bytes32, fromIndex: u64 }),
    signedWords,
  ),
  adoptCheckpoint: operation(
    12,
    record<{ note: string }>({ note: text(MAX_NOTE_BYTES) }),
    record<LastCheckpoint>({ size: u64, root: bytes32 }),
  ),
  openProjections: operation(
    14,
    record<{ digest: Uint8Array; sealed: Uint8Array }>({ digest: bytes32, sealed: block(MAX_SEALED_BYTES) }),
    openedProjections,
  ),
  quoteSigner: operation(
    15,
    record<{ ed25519: boolean; nonce: Uint8Array }>({ ed25519: flag, nonce: bytes32 }),
    record<{ type: string; quote: Uint8Array }>({ type: text(64), quote: block(128 * 1024) }),
  ),
  signLeaf: operation(
    16,
    record<LoggedLeaf>({
      note: text(MAX_NOTE_BYTES),
      leaf: bytes(LEAF_BYTES),
      leafIndex: u64,
      inclusionProof: list(bytes32, MAX_PROOF_NODES),
    }),
    record<LeafSignatures>({ receipt: bytes(64), statement: bytes(64) }),
  ),
  measureModel: operation(
    17,
    record<{ modelId: Uint8Array }>({ modelId: bytes32 }),
    record<{ measured: boolean }>({ measured: flag }),
  ),
  signCircuitBinding: operation(20, ownedDocument, signedWords),
  signCircuitCommitment: operation(21, openedInput, signedWords),
  signProof: operation(22, proofFields, signedWords),
  signReexecution: operation(23, reexecutionFields, signedWords),
  drawWorkerChallenge: operation(24, ...workers.drawWorkerChallenge),
  admitWorker: operation(25, ...workers.admitWorker),
  releaseJobKey: operation(26, ...workers.releaseJobKey),
  chainAccount: operation(45, nothing, chainAccount),
  signTransaction: operation(46, unsignedTransaction, signedTransaction),
  signChainAnswer: operation(47, chainAnswer, signedAnswer),
  exportRequestKeys: operation(55, sealedRequest, requestKeys),
  tendSealingKeys: operation(62, tendingRequest, sealingKeyList),
  readPolicy: operation(63, nothing, policyView),
  changePolicy: operation(64, policyDocument, signedWords),
  beginGiving: operation(65, ...passing.beginGiving),
  giveClusterKeys: operation(66, ...passing.giveClusterKeys),
  beginJoining: operation(67, ...passing.beginJoining),
  quoteJoining: operation(68, ...passing.quoteJoining),
  finishJoining: operation(69, ...passing.finishJoining),
  beginKeyRelease: operation(60, releaseTerms, releaseEvidence),
  finishKeyRelease: operation(
    61,
    brokersRelease,
    record<ReleasedKey>({ contentKey: bytes32, statement: signedWords }),
  ),
  readFheKey: operation(30, ...balances.readFheKey),
  encryptZero: operation(31, ...balances.encryptZero),
  signLedgerEntry: operation(32, ...balances.signLedgerEntry),
  readBalance: operation(33, ...balances.readBalance),
  checkLedgerEntry: operation(40, ...balances.checkLedgerEntry),
  installPriceList: operation(34, ...allowances.installPriceList),
  admitAllowance: operation(35, ...allowances.admitAllowance),
  encryptAllowance: operation(36, ...allowances.encryptAllowance),
  activateAllowance: operation(37, ...allowances.activateAllowance),
  closeAllowance: operation(38, ...allowances.closeAllowance),
  restoreAllowances: operation(39, ...allowances.restoreAllowances),
} as const;

export type Operations = typeof OPERATIONS;
export type OperationName = keyof Operations;
export type RequestOf<N extends OperationName> = ReturnType<Operations[N]["request"]["read"]>;
export type ReplyOf<N extends OperationName> = ReturnType<Operations[N]["reply"]["read"]>;
