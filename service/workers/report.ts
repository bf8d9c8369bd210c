/** What a worker elsewhere says of its task. */

/** A proof as it came: nothing of it is verified. */
export interface RawProofParts {
  proof: Uint8Array;
  /** 32 bytes each, little-endian. */
  instances: Uint8Array[];
}

/** Why a worker made no proof. Its word, which decides nothing but that another try follows. */
export const WORKER_FAILURES = [
  "prover_crashed",
  "prover_timeout",
  "prover_memory",
  "prover_disk_full",
  "prover_failed",
  "circuit_not_found",
  "payload_unreadable",
  "worker_stopped",
] as const;
export type WorkerFailure = (typeof WORKER_FAILURES)[number];

export type WorkerReport =
  | { kind: "progress"; stage: string }
  | { kind: "proof"; parts: RawProofParts }
  | { kind: "failure"; code: WorkerFailure };
