/**
 * The answer to a contract's request: parse, run, sign, append; as the pipeline does for people, with nothing to hand back. What
 * is stored can be delivered at any time after, and is what is delivered, however often the watcher is stopped in between.
 */
import { hexToBytes } from "viem";
import { concat, equal, sha256, utf8 } from "../../codec/index.ts";
import { checkInputs, ModelError, type Engine, type LoadedModel } from "../../models/index.ts";
import { ProofError } from "../../proofs/index.ts";
import {
  decodeStatement,
  encodeOutput,
  parseCanonicalTensors,
  ReceiptError,
  SaltedDigests,
  type Tensor,
} from "../../receipts/index.ts";
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
import { openRecord, sealRecord } from "../sealed-record.ts";
import type { Account } from "../services.ts";
import type { SessionHolder } from "../session.ts";
import { Declined, NotYet } from "./declined.ts";
import type { Opened, Openings } from "./openings.ts";
import type { Asked } from "./requested.ts";

const NONE = new Uint8Array(32);
/** Of public inputs: a contract knows the field salts that follow from it as constants. */
const PUBLIC_SALT = new Uint8Array(32);
/** Requests of contracts are no account's; promises about them are kept under this name. */
const NOBODY: Account = { tenantId: SYSTEM_TENANT, accountId: SYSTEM_TENANT, keyId: SYSTEM_TENANT };
const PROOF = 1;
const REEXECUTION = 2;
const ZK = 4;

/** What is asked for. */
export interface Question extends Asked {
  /** Bits of what must be delivered. */
  assurance: number;
}

export interface AnswerParts {
  database: Database;
  appender: Pick<Appender, "append">;
  /** Models that anybody may use. */
  models: { list(): LoadedModel[] };
  engine: Engine;
  sessions: SessionHolder;
  assured: Assured;
  inferenceTimeoutMs: number;
  openings: Pick<Openings, "find">;
}

/**
 * The statement that answers the request, stored.
 * @throws Declined; NotYet `opening_missing`; what engine, vault and database throw
 */
export async function answerRequest(
  parts: AnswerParts,
  place: ChainPlace,
  request: Question,
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
  request: Question,
  signal: AbortSignal,
): Promise<void> {
  const model = parts.models.list().find(({ modelId }) => equal(modelId, request.modelId));
  if (!model) throw new Declined("model_not_found");
  const { input, salt } = await openInput(parts, request);
  const digests = new SaltedDigests(salt);
  // Each row is hostile: what is run is what was committed to, or nothing is signed.
  if (!equal(digests.inputCommitment(input), request.inputCommitment)) throw new Declined("row_invalid");
  const inputs = readInputs(model, input);
  const plan = await planned(parts, model, request, { inputs, salt });

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
    const ran = { modelId: model.modelId, inputs, outputs, executionDigest, salt };
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
      sealedExtra: await sealOutput(parts.sessions, requestId, {
        outputSalt: digests.salt("output"),
        encodedOutput,
      }),
    },
    documents: [
      { kind: "execution", digest: executionDigest, bytes: new TextEncoder().encode(executionText) },
    ],
  });
}

interface Output {
  /** `s_output`: 32 bytes. */
  outputSalt: Uint8Array;
  encodedOutput: Uint8Array;
}

/** The delivery shows it to everyone, and nothing shows it before: a panel's others would copy it, and some are never delivered. */
async function sealOutput(
  sessions: SessionHolder,
  requestId: Uint8Array,
  { outputSalt, encodedOutput }: Output,
): Promise<Uint8Array> {
  const context = outputContext(requestId);
  const key = await sessions.current().vault.recordKey(context);
  return sealRecord(key, context, [outputSalt, encodedOutput]);
}

/** @throws DatabaseError `log_corrupt` */
export async function openOutput(
  sessions: Pick<SessionHolder, "current">,
  requestId: Uint8Array,
  { sealedExtra }: StoredStatement,
): Promise<Output> {
  const context = outputContext(requestId);
  const key = await sessions.current().vault.recordKey(context);
  const plain = sealedExtra && openRecord(key, context, sealedExtra);
  if (!plain) throw new DatabaseError("log_corrupt", "an answer's output does not open");
  return { outputSalt: plain.subarray(0, 32), encodedOutput: plain.subarray(32) };
}

function outputContext(requestId: Uint8Array): Uint8Array {
  return sha256(concat(utf8("affidavit.v1.chain-output"), requestId));
}

/** @throws NotYet `opening_missing` */
async function openInput({ openings }: AnswerParts, { publicInput, requestId }: Question): Promise<Opened> {
  if (publicInput.length > 0) return { input: publicInput, salt: PUBLIC_SALT };
  const opened = await openings.find(requestId);
  if (!opened) throw new NotYet("opening_missing");
  return opened;
}

/** @throws Declined */
function readInputs({ manifest }: LoadedModel, input: Uint8Array): Tensor[] {
  try {
    const inputs = parseCanonicalTensors(input);
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
  { assurance, policyDigest, circuitInput }: Question,
  { inputs, salt }: { inputs: Tensor[]; salt: Uint8Array },
) {
  try {
    const plan = assured.plan(model, wishOf(assurance));
    if (!equal(plan.policy.digest, policyDigest)) throw new Declined("policy_mismatch");
    const committed = (await assured.commit(plan, inputs, salt)) ?? NONE;
    if (!equal(committed, circuitInput)) throw new Declined("circuit_input_mismatch");
    return plan;
  } catch (cause) {
    if (cause instanceof ServiceError || cause instanceof ProofError)
      throw new Declined(cause.code, { cause });
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
