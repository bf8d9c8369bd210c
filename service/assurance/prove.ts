/** Proves an inference, and says in the log what came. */
import { equal, sha256, utf8 } from "../../codec/index.ts";
import {
  instancesDigest,
  outputDifference,
  readInstances,
  type CircuitStore,
  type ProofSystem,
  type ProveResult,
  type StoredCircuit,
} from "../../proofs/index.ts";
import { decodeStatement, NOT_COMPARED, OUTCOMES } from "../../receipts/index.ts";
import {
  advancePromise,
  closing,
  findPromise,
  findStatement,
  type Appender,
  type Database,
  type PromiseRow,
} from "../db/index.ts";
import { JobFailure } from "../jobs/error.ts";
import type { RunningJob } from "../jobs/index.ts";
import { appendOwn } from "../own-statement.ts";
import { sealRecord } from "../sealed-record.ts";
import type { SessionHolder } from "../session.ts";
import { attempt } from "./attempt.ts";
import { decodePayload, type PromisePayload } from "./payload.ts";
import { encodeProof } from "./stored-proof.ts";

export interface ProvingParts {
  database: Database;
  appender: Pick<Appender, "append">;
  sessions: SessionHolder;
  circuits: Pick<CircuitStore, "get">;
  system: Pick<ProofSystem, "prove">;
}

/** @throws JobFailure */
export async function prove(parts: ProvingParts, job: RunningJob): Promise<void> {
  const row = await findPromise(parts.database, job.id);
  if (!row || !(await advancePromise(parts.database, job.id, "queued"))) return;
  await attempt(parts.database, job, () => proveRow(parts, job, row));
}

async function proveRow(parts: ProvingParts, job: RunningJob, row: PromiseRow): Promise<void> {
  const payload = decodePayload(job.payload);
  const circuit = parts.circuits.get(payload.circuitId!);
  if (!circuit) throw new JobFailure("circuit_not_found", { retry: false });
  const timeoutMs = row.deadlineAt.getTime() - Date.now();
  // The log will say that it expired.
  if (timeoutMs <= 0) return;
  // One after another: two that are under way at once may be stored in either order.
  let told: Promise<unknown> = Promise.resolve();
  const onProgress = (stage: string) => {
    told = told.then(() => advancePromise(parts.database, job.id, stage)).catch(() => undefined);
  };
  const made = await parts.system.prove({
    circuit,
    inputs: payload.inputs,
    sCircuit: payload.sCircuit!,
    signal: job.signal,
    timeoutMs,
    onProgress,
  });
  const difference = await judge(parts, row, circuit, made, payload);
  await deliver(parts, row.id, payload.subject, circuit, made, difference);
}

/**
 * The difference of the circuit's output and the model's, of a proof about this input. That it holds, the system has verified.
 * @throws ProofError, JobFailure `proof_of_other_input`
 */
async function judge(
  parts: ProvingParts,
  { commitment }: PromiseRow,
  { circuit }: StoredCircuit,
  made: ProveResult,
  { subject, outputs }: PromisePayload,
): Promise<bigint> {
  const proved = readInstances(circuit, made.instances);
  if (!equal(proved.circuitInput, await committedInput(parts.database, subject, commitment)))
    throw new JobFailure("proof_of_other_input", { retry: false });
  return outputs.length === 0 ? NOT_COMPARED : outputDifference(circuit, proved.outputs, outputs);
}

/** What the statement, or the commitment that was made later, says of the circuit's input. */
async function committedInput(
  database: Database,
  subject: Uint8Array,
  commitment: Uint8Array | null,
): Promise<Uint8Array> {
  const stored = await findStatement(database, commitment ?? subject);
  // Stored after the promise, and so perhaps not yet.
  if (!stored) throw new JobFailure("statement_missing", { retry: true });
  return commitment
    ? decodeStatement("CircuitCommitment", stored.words).circuitInput
    : decodeStatement("InferenceStatement", stored.words).circuitInput;
}

async function deliver(
  parts: ProvingParts,
  id: string,
  subject: Uint8Array,
  { circuit }: StoredCircuit,
  made: ProveResult,
  difference: bigint,
): Promise<void> {
  const session = parts.sessions.current();
  const context = proofContext(id);
  const sealedProof = sealRecord(await session.vault.recordKey(context), context, [encodeProof(made)]);
  await closing(parts.database, id, async () => {
    const { circuitId, srsDigest } = circuit;
    const digest = instancesDigest(made.instances);
    const outcome = OUTCOMES.delivered;
    const fields = { subject, circuitId, srsDigest, instancesDigest: digest, difference, outcome };
    const signed = await session.signWith((vault) => vault.signProof(fields));
    await appendOwn(parts.appender, "Proof", signed);
    return { state: "delivered", outcome: signed.digest, sealedProof };
  });
}

/** Names the record of a proof to the vault and in its seal: 32 bytes. */
export function proofContext(id: string): Uint8Array {
  return sha256(utf8(`affidavit.v1.proof${id}`));
}
