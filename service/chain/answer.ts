/**
 * The answer to a contract's request: parse, run, sign, append; as the pipeline does for people, with nothing to hand back. What
 * is stored can be delivered at any time after, and is what is delivered, however often the watcher is stopped in between.
 */
import { hexToBytes } from "viem";
import { equal } from "../../codec/index.ts";
import { checkInputs, ModelError, type Engine, type LoadedModel } from "../../models/index.ts";
import {
  decodeStatement,
  encodeOutput,
  parseCanonicalTensors,
  ReceiptError,
  SaltedDigests,
  type Tensor,
} from "../../receipts/index.ts";
import { concat } from "../../codec/index.ts";
import type { Assured, Wish } from "../assurance/index.ts";
import {
  DatabaseError,
  findAnswer,
  SYSTEM_TENANT,
  type Appender,
  type ChainPlace,
  type Database,
  type StoredStatement,
} from "../db/index.ts";
import { ServiceError } from "../problem.ts";
import type { Account } from "../services.ts";
import type { SessionHolder } from "../session.ts";
import { Declined } from "./declined.ts";
import type { Requested } from "./requested.ts";

const NONE = new Uint8Array(32);
/** Of public inputs: a contract knows the field salts that follow from it as constants. */
const PUBLIC_SALT = new Uint8Array(32);
/** Requests of contracts are no account's; promises about them are kept under this name. */
const NOBODY: Account = { tenantId: SYSTEM_TENANT, accountId: SYSTEM_TENANT, keyId: SYSTEM_TENANT };
const PROOF = 1;
const REEXECUTION = 2;
const ZK = 4;

export interface AnswerParts {
  database: Database;
  appender: Pick<Appender, "append">;
  /** Models that anybody may use. */
  models: { list(): LoadedModel[] };
  engine: Engine;
  sessions: SessionHolder;
  assured: Assured;
  inferenceTimeoutMs: number;
}

/**
 * The statement that answers the request, stored.
 * @throws Declined; what engine, vault and database throw
 */
export async function answerRequest(
  parts: AnswerParts,
  place: ChainPlace,
  request: Requested,
  signal: AbortSignal,
): Promise<StoredStatement> {
  const known = await findAnswer(parts.database, request.requestId);
  if (known) return known;
  try {
    await answer(parts, place, request, signal);
  } catch (error) {
    // Another replica, or this one before an outcome that it did not learn of.
    const taken = error instanceof DatabaseError && error.code === "request_id_taken";
    if (!taken) throw error;
  }
  const stored = await findAnswer(parts.database, request.requestId);
  if (!stored) throw new DatabaseError("append_outcome_unknown", "an appended answer is not there");
  return stored;
}

async function answer(
  parts: AnswerParts,
  place: ChainPlace,
  request: Requested,
  signal: AbortSignal,
): Promise<void> {
  const model = parts.models.list().find(({ modelId }) => equal(modelId, request.modelId));
  if (!model) throw new Declined("model_not_found");
  const inputs = readInputs(model, request.publicInput);
  const plan = await planned(parts, model, request, inputs);

  const digests = new SaltedDigests(PUBLIC_SALT);
  const options = { signal, timeoutMs: parts.inferenceTimeoutMs };
  const { outputs, executionDigest, executionText } = await parts.engine.run(model, inputs, options);
  const encodedOutput = encodeOutput(model.manifest.outputKind, outputs);
  const session = parts.sessions.current();
  const asked = {
    ...place,
    requester: hexToBytes(request.requester),
    nonce: request.nonce,
  };
  const deadlineMs = plan.promised === 0 ? 0 : Date.now() + plan.withinMs;
  const fields = {
    modelId: model.modelId,
    inputCommitment: request.inputCommitment,
    outputDigest: digests.outputDigest(encodedOutput),
    circuitInput: request.circuitInput,
    executionDigest,
    policyDigest: request.policyDigest,
    requester: digests.requesterDigest(`eip155:${place.chainId}:${request.requester.toLowerCase()}`),
    promised: plan.promised,
    promiseDeadlineMs: BigInt(deadlineMs),
  };
  const statement = await session.signWith((vault) => vault.signChainAnswer(asked, fields));
  const { requestId } = decodeStatement("InferenceStatement", statement.words);
  if (!equal(requestId, request.requestId)) throw new Declined("request_id_mismatch");
  if (plan.promised !== 0) {
    const ran = { modelId: model.modelId, inputs, outputs, executionDigest, salt: PUBLIC_SALT };
    await parts.assured.promise(plan, NOBODY, { statement, deadlineMs, ran });
  }
  await parts.appender.append({
    statement: {
      ...statement,
      type: "InferenceStatement",
      requestId,
      tenantId: SYSTEM_TENANT,
      accountId: null,
      apiKeyId: null,
      modelId: model.modelId,
      // What a delivery shows to everyone anyway: s_output ‖ encoded output.
      sealedExtra: concat(digests.salt("output"), encodedOutput),
    },
    documents: [
      { kind: "execution", digest: executionDigest, bytes: new TextEncoder().encode(executionText) },
    ],
  });
}

/** @throws Declined */
function readInputs({ manifest }: LoadedModel, publicInput: Uint8Array): Tensor[] {
  if (publicInput.length === 0) throw new Declined("input_not_public");
  try {
    const inputs = parseCanonicalTensors(publicInput);
    checkInputs(manifest, inputs);
    return inputs;
  } catch (cause) {
    if (cause instanceof ReceiptError || cause instanceof ModelError)
      throw new Declined(cause.code, { cause });
    throw cause;
  }
}

async function planned(
  { assured }: AnswerParts,
  model: LoadedModel,
  { assurance, policyDigest, circuitInput }: Requested,
  inputs: Tensor[],
) {
  try {
    const plan = assured.plan(model, wishOf(assurance));
    if (!equal(plan.policy.digest, policyDigest)) throw new Declined("policy_mismatch");
    const committed = (await assured.commit(plan, inputs, PUBLIC_SALT)) ?? NONE;
    if (!equal(committed, circuitInput)) throw new Declined("circuit_input_mismatch");
    return plan;
  } catch (cause) {
    if (cause instanceof ServiceError) throw new Declined(cause.code, { cause });
    throw cause;
  }
}

function wishOf(assurance: number): Wish {
  const proof = (assurance & (PROOF | ZK)) !== 0;
  const reexecution = (assurance & REEXECUTION) !== 0;
  if (proof && reexecution) throw new Declined("assurance_unsupported");
  const wanted = proof ? "tee+zk" : reexecution ? "tee+reexecution" : "tee";
  return { assurance: wanted, valueAtRiskMicroUsd: undefined, publicInput: false };
}
