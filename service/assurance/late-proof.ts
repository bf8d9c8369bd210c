/** A proof of an answer that promised none, for a caller who still holds its input and salt. */
import { equal, toHex } from "../../codec/index.ts";
import { checkInputs, type Engine, type LoadedModel } from "../../models/index.ts";
import type { InferRequest } from "../../models/client.ts";
import { circuitSalt } from "../../proofs/index.ts";
import {
  canonicalTensors,
  decodeStatement,
  encodeOutput,
  leafData,
  SaltedDigests,
  type InferenceStatement,
  type Tensor,
} from "../../receipts/index.ts";
import {
  findPromise,
  findStatement,
  OPEN_STATES,
  promisesAbout,
  type PromiseRow,
  type StoredStatement,
} from "../db/index.ts";
import type { KeysetRecords } from "../keyset-records.ts";
import { appendOwn } from "../own-statement.ts";
import { ServiceError } from "../problem.ts";
import type { RequestParser } from "../request-parser.ts";
import type { Account } from "../services.ts";
import type { BoundCircuit, Planning } from "./plan.ts";
import { makePromise, type PromiseParts } from "./promises.ts";
import type { Hasher } from "./proof-thread.ts";

export interface LateProofParts extends PromiseParts {
  planning: Planning;
  keysets: KeysetRecords;
  models: { list(): LoadedModel[] };
  engine: Engine;
  inferenceTimeoutMs: number;
  parser: RequestParser;
  hasher: Hasher;
}

/** The request again, as it was sent for the answer. */
export interface Opening {
  body: Uint8Array;
  headerLength: number | undefined;
  /** 32 bytes; undefined for the one that the vault made. */
  salt: Uint8Array | undefined;
  /** Unattested workers may prove it. */
  publicInput: boolean;
  signal: AbortSignal;
}

/**
 * The proof that is on its way or delivered already, or a new one. The vault checks that the opening is the receipt's, and signs
 * the circuit's commitment to it.
 * @throws ServiceError `receipt_not_found`, `model_not_found`, `assurance_unsupported`, `circuit_missing`, `prover_unavailable`,
 *   `inclusion_pending`, `promise_limit`; OipError, ModelError; ProofError `circuit_shape_mismatch`,
 *   `circuit_input_out_of_range`; VaultError `opening_mismatch`, `circuit_input_invalid`
 */
export async function askLateProof(
  parts: LateProofParts,
  { tenantId, accountId }: Account,
  receiptId: Uint8Array,
  opening: Opening,
): Promise<PromiseRow> {
  const stored = await findStatement(parts.database, receiptId);
  if (stored?.type !== "InferenceStatement") throw new ServiceError("receipt_not_found");
  const statement = decodeStatement("InferenceStatement", stored.words);
  const model = parts.models.list().find(({ modelId }) => equal(modelId, statement.modelId));
  if (!model) throw new ServiceError("model_not_found", "the model of this receipt is not served any more");
  const known = (await promisesAbout(parts.database, receiptId)).find(isUseful);
  if (known) return known;
  const bound = requireCircuit(parts.planning, model);

  const request = await parts.parser.parse(opening);
  checkInputs(model.manifest, request.inputs);
  const { vault } = parts.sessions.current();
  const salt = opening.salt ?? (await vault.defaultSalt(statement.requestId));
  const sCircuit = circuitSalt(salt);
  const commitment = await commit(parts, stored, statement, model, bound, request.inputs, salt);
  const again = await parts.engine.run(model, request.inputs, {
    signal: opening.signal,
    timeoutMs: parts.inferenceTimeoutMs,
  });
  const asked = {
    tenantId,
    accountId,
    kind: "proof" as const,
    subject: receiptId,
    circuitId: bound.circuit.circuit.circuitId,
    commitment,
    deadlineAt: new Date(Date.now() + parts.planning.proofDeadlineMs),
    priority: 0,
    graceMs: 0,
  };
  const { modelId } = model;
  const outputs = answeredOutputs(model, statement, request, again.outputs, salt);
  const { executionDigest } = again;
  const { keysetDigest } = stored;
  const { publicInput } = opening;
  const ran = { modelId, inputs: request.inputs, outputs, executionDigest, keysetDigest };
  const payload = { ...ran, subject: receiptId, circuitId: asked.circuitId, sCircuit, publicInput };
  return (await findPromise(parts.database, await makePromise(parts, asked, payload)))!;
}

function isUseful({ kind, state }: PromiseRow): boolean {
  return kind === "proof" && (state === "delivered" || OPEN_STATES.includes(state));
}

function requireCircuit(planning: Planning, model: LoadedModel): BoundCircuit {
  if (!model.manifest.assurance.includes("tee+zk"))
    throw new ServiceError("assurance_unsupported", "the model's manifest does not allow tee+zk");
  const bound = planning.circuit(model.modelId);
  if (!bound) throw new ServiceError("circuit_missing", "no circuit is bound to this model");
  planning.requireJobs("tee+zk");
  return bound;
}

/** @returns the digest of the `CircuitCommitment`; null where the statement itself commits to this input for this circuit */
async function commit(
  parts: LateProofParts,
  stored: StoredStatement,
  statement: InferenceStatement,
  model: LoadedModel,
  bound: BoundCircuit,
  inputs: readonly Tensor[],
  salt: Uint8Array,
): Promise<Uint8Array | null> {
  const { circuit, binding } = bound.circuit;
  const isBound = equal(statement.policyDigest, bound.policy.digest);
  const opens = async () =>
    equal(statement.circuitInput, await parts.hasher.commit(circuit, inputs, circuitSalt(salt)));
  if (isBound && (await opens())) return null;
  const place = await parts.keysets.logProof(stored.leafIndex);
  if (!place) throw new ServiceError("inclusion_pending", undefined, { headers: { "retry-after": "1" } });
  const opened = {
    document: binding!.text,
    manifest: model.manifestText,
    words: stored.words,
    leaf: leafData(stored.type, stored.digest, stored.keysetDigest, stored.signature),
    leafIndex: place.leafIndex,
    note: place.checkpoint,
    inclusionProof: place.proof,
    input: canonicalTensors(inputs),
    salt,
  };
  const signed = await parts.sessions.current().signWith((vault) => vault.signCircuitCommitment(opened));
  await appendOwn(parts.appender, "CircuitCommitment", signed);
  return signed.digest;
}

/** What the receipt's output was, which nobody kept: what the model answers now, where the receipt's digest says that it is the same. */
function answeredOutputs(
  { manifest }: LoadedModel,
  statement: InferenceStatement,
  { outputs: wanted }: InferRequest,
  outputs: Tensor[],
  salt: Uint8Array,
): Tensor[] {
  const names = new Set(wanted?.map(({ name }) => name));
  const returned = wanted ? outputs.filter(({ name }) => names.has(name)) : outputs;
  const digest = new SaltedDigests(salt).outputDigest(encodeOutput(manifest.outputKind, returned));
  return toHex(digest) === toHex(statement.outputDigest) ? returned : [];
}
