/** The layouts of admitting a worker elsewhere, and of giving it the keys of single jobs. */
import type { SignedWords } from "./operations.ts";
import { block, bytes, nullable, record, text, u64, type Shape } from "./shape.ts";

/** The longest endorsements, in bytes of JSON. */
const MAX_ENDORSEMENTS_BYTES = 1024 * 1024;
const MAX_RESULT_BYTES = 256 * 1024;

export interface WorkerChallenge {
  /** 32 bytes. */
  nonce: Uint8Array;
  expiresAtMs: bigint;
}

export interface WorkerEvidence {
  nonce: Uint8Array;
  /** The worker's X25519 key: 32 bytes. */
  hpkeKey: Uint8Array;
  /** As `appraise` names it. */
  type: string;
  quote: Uint8Array;
  /** JSON text. */
  endorsements: string;
}

export interface Admission {
  /** `ok`, or the appraisal's word why not. */
  code: string;
  message: string;
  /** The attestation result, JCS text, of an admitted worker. */
  result: string | null;
  /** Until when it is given keys; 0 where it is not. */
  expiresAtMs: bigint;
}

export interface JobKeyRequest {
  /** Of the admission: 32 bytes. */
  nonce: Uint8Array;
  /** A UUID. */
  jobId: string;
}

export interface ReleasedJobKey {
  /** Encapsulated key (32) ‖ the job's key sealed to the worker's (48). */
  sealedKey: Uint8Array;
  /** The signed `KeyRelease`. */
  statement: SignedWords;
}

const bytes32 = bytes(32);
const nothing = record<object>({});

/** Requests and replies of the operations 24 to 26. */
export function workerOperations(signed: Shape<SignedWords>) {
  return {
    drawWorkerChallenge: [nothing, record<WorkerChallenge>({ nonce: bytes32, expiresAtMs: u64 })],
    admitWorker: [
      record<WorkerEvidence>({
        nonce: bytes32,
        hpkeKey: bytes32,
        type: text(64),
        quote: block(128 * 1024),
        endorsements: text(MAX_ENDORSEMENTS_BYTES),
      }),
      record<Admission>({
        code: text(64),
        message: text(1024),
        result: nullable(text(MAX_RESULT_BYTES)),
        expiresAtMs: u64,
      }),
    ],
    releaseJobKey: [
      record<JobKeyRequest>({ nonce: bytes32, jobId: text(64) }),
      record<ReleasedJobKey>({ sealedKey: bytes(80), statement: signed }),
    ],
  } as const;
}
