/**
 * Payloads in the queue are ciphertext: the database is outside the TEE, and a prover's input is what a caller wanted kept.
 * The key of each is the vault's, derived from the job's kind and id, so that no payload can be moved to another job.
 */
import { jobContext } from "../../sealing/index.ts";
import type { Vault } from "../../vault/index.ts";
import { openRecord, sealRecord } from "../sealed-record.ts";
import { JobFailure } from "./error.ts";
import type { JobKind } from "./kinds.ts";

export interface PayloadSeal {
  seal(kind: JobKind, jobId: string, payload: Uint8Array): Promise<Uint8Array>;
  /** @throws JobFailure `payload_unreadable`, which no retry mends */
  open(kind: JobKind, jobId: string, sealed: Uint8Array): Promise<Uint8Array>;
}

/** @param vault the one in use; throws between two, which a retry mends */
export function vaultSeal(vault: () => Pick<Vault, "recordKey">): PayloadSeal {
  return {
    async seal(kind, jobId, payload) {
      const context = jobContext(kind, jobId);
      return sealRecord(await vault().recordKey(context), context, [payload]);
    },
    async open(kind, jobId, sealed) {
      const context = jobContext(kind, jobId);
      const payload = openRecord(await vault().recordKey(context), context, sealed);
      if (!payload) throw new JobFailure("payload_unreadable", { retry: false });
      return payload;
    },
  };
}
