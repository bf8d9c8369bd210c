/** The pipeline's side of a promise: what is asked, what is committed to, what is kept for the work. */
import type { LoadedModel } from "../../models/index.ts";
import { circuitSalt } from "../../proofs/index.ts";
import type { Tensor } from "../../receipts/index.ts";
import type { SignedStatement } from "../../vault/index.ts";
import type { Account } from "../services.ts";
import type { Hasher } from "./proof-thread.ts";
import { planRequest, type Plan, type Planning, type Wish } from "./plan.ts";
import { makePromise, type PromiseParts } from "./promises.ts";

/** What was run, of which a promise keeps what its work needs. */
export interface Ran {
  modelId: Uint8Array;
  inputs: readonly Tensor[];
  /** As far as the caller gets them. */
  outputs: readonly Tensor[];
  executionDigest: Uint8Array;
  salt: Uint8Array;
}

export interface Assured {
  /** @throws ServiceError `assurance_too_low`, `assurance_unsupported`, `circuit_missing`, `prover_unavailable`; JobError */
  plan(model: Pick<LoadedModel, "manifest" | "modelId">, wish: Wish): Plan;
  /**
   * The circuit's commitment to the input: 32 bytes, undefined where no proof is promised.
   * @throws ProofError `circuit_shape_mismatch`, `circuit_input_out_of_range`
   */
  commit(plan: Plan, inputs: readonly Tensor[], salt: Uint8Array): Promise<Uint8Array | undefined>;
  /**
   * Keeps what the promised work needs, before the statement is stored.
   * @returns the promise's id
   */
  promise(
    plan: Plan,
    account: Account,
    made: { statement: SignedStatement; deadlineMs: number; ran: Ran },
  ): Promise<string>;
}

/**
 * @param hasher commits to inputs
 * @param promising undefined where no jobs are run: `planning.requireJobs` then refuses what would need them
 */
export function createAssured(
  planning: Planning,
  hasher: Hasher,
  promising: Pick<PromiseParts, "database" | "jobs"> | undefined,
): Assured {
  return {
    plan: (model, wish) => planRequest(planning, model, wish),
    commit: async ({ bound }, inputs, salt) =>
      bound && (await hasher.commit(bound.circuit.circuit, inputs, circuitSalt(salt))),
    async promise(plan, { tenantId, accountId }, { statement, deadlineMs, ran }) {
      const { bound, priority, graceMs, publicInput } = plan;
      const asked = {
        tenantId,
        accountId,
        kind: bound ? ("proof" as const) : ("reexecution" as const),
        subject: statement.digest,
        circuitId: bound?.circuit.circuit.circuitId ?? null,
        commitment: null,
        deadlineAt: new Date(deadlineMs),
        priority,
        graceMs,
      };
      const { salt, ...kept } = ran;
      const sCircuit = bound && circuitSalt(salt);
      return await makePromise(promising!, asked, {
        ...kept,
        subject: statement.digest,
        circuitId: asked.circuitId ?? undefined,
        sCircuit,
        keysetDigest: statement.keysetDigest,
        publicInput,
      });
    },
  };
}
