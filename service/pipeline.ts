/**
 * One inference, from bytes in to bytes out: reserve, parse, run, sign, append, answer. Nothing leaves before its
 * statement is committed.
 *
 * What a caller who goes away gets: before the engine has answered, nothing (no statement, no charge, the idempotency
 * key free again); after it, the whole answer, signed and kept, to be fetched by receipt or replayed by key.
 */
import { sha256, toHex, toHex0x } from "../codec/index.ts";
import { checkInputs, type Engine, type LoadedModel, type Manifest } from "../models/index.ts";
import {
  encodeInferResponse,
  selectOutputs,
  type EncodedMessage,
  type InferRequest,
} from "../models/client.ts";
import {
  aciHash,
  audienceDigest,
  canonicalTensors,
  encodeOutput,
  encodeReceiptHeader,
  fieldDigests,
  SaltedDigests,
  type Tensor,
} from "../receipts/index.ts";
import type { SignedInference, SignedStatement } from "../vault/index.ts";
import type { Paying } from "./allowance-services.ts";
import type { Assured } from "./assurance/index.ts";
import type { Idempotency, SealedReplay } from "./idempotency.ts";
import { ServiceError } from "./problem.ts";
import { RequestParser } from "./request-parser.ts";
import type { InferAnswer, InferCall, Pipeline } from "./services.ts";
import type { Session } from "./session.ts";

const NONE = new Uint8Array(32);

export interface PipelineParts {
  models: {
    get(name: string, version: string | undefined, tenantId: string): LoadedModel | undefined;
  };
  engine: Engine;
  /** The vault and keyset in use; changes when a keyset is renewed. @throws ServiceError `session_unavailable` */
  session(): Session;
  idempotency: Idempotency;
  assured: Assured;
  /** What pays for the call: the allowance that it names, if it names one. */
  pay(call: InferCall, session: Session, modelId: Uint8Array): Promise<Paying | undefined>;
  /** Resolves when the statement, and with it the replay record, is committed. */
  append(entry: AppendEntry): Promise<void>;
  inferenceTimeoutMs: number;
  /** Whether the vault signs the other forms of the receipt too. */
  otherForms: boolean;
  /** Tell each caller how long its answer waited for the commit. */
  serverTiming: boolean;
}

export interface AppendEntry {
  statement: SignedInference;
  call: InferCall;
  requestId: Uint8Array;
  modelId: Uint8Array;
  /** Exact text of the execution record, kept once by its digest. */
  executionText: string;
  executionDigest: Uint8Array;
  replay: SealedReplay | undefined;
}

export function createPipeline(parts: PipelineParts): Pipeline {
  const running = { ...parts, parser: new RequestParser() };
  return { infer: (call) => infer(running, call) };
}

type RunningParts = PipelineParts & { parser: RequestParser };

async function infer(parts: RunningParts, call: InferCall): Promise<InferAnswer> {
  const model = parts.models.get(call.modelName, call.modelVersion, call.account.tenantId);
  if (!model) throw new ServiceError("model_not_found", "no such model or version");
  if (call.idempotencyKey === undefined) return await run(parts, call, model);

  const reserved = await parts.idempotency.reserve(parts.session().vault, call);
  if (reserved.replay) return reserved.replay;
  try {
    return await run(parts, call, model, reserved.seal);
  } catch (error) {
    // A key that cannot be given free now is free when its lease ends; the caller is told why the run failed.
    await reserved.release().catch(() => undefined);
    throw error;
  }
}

type Plan = ReturnType<Assured["plan"]>;
type SealReplay = (answer: InferAnswer) => Promise<SealedReplay>;

async function run(
  parts: RunningParts,
  call: InferCall,
  model: LoadedModel,
  seal?: SealReplay,
): Promise<InferAnswer> {
  const request = await parts.parser.parse(call);
  checkInputs(model.manifest, request.inputs);
  selectOutputs(model.manifest.outputs, request);
  const plan = parts.assured.plan(model, call.wish);

  const session = parts.session();
  const paying = await parts.pay(call, session, model.modelId);
  try {
    return await answer(parts, call, model, { request, plan, session, paying, seal });
  } finally {
    paying?.release();
  }
}

interface Admitted {
  request: InferRequest;
  plan: Plan;
  session: Session;
  paying: Paying | undefined;
  seal: SealReplay | undefined;
}

async function answer(
  parts: RunningParts,
  call: InferCall,
  model: LoadedModel,
  { request, plan, session, paying, seal }: Admitted,
): Promise<InferAnswer> {
  const { requestId, defaultSalt } = await session.ticket();
  const salt = call.salt ?? defaultSalt;
  const digests = new SaltedDigests(salt);
  const startedMs = performance.now();
  const [{ result, executionTimeMs }, { committed, requestHash, requestSalt }] = await Promise.all([
    parts.engine
      .run(model, request.inputs, { signal: call.signal, timeoutMs: parts.inferenceTimeoutMs })
      .then((done) => ({ result: done, executionTimeMs: Math.round(performance.now() - startedMs) })),
    commitWhileItRuns(digests, call, request, () => parts.assured.commit(plan, request.inputs, salt)),
  ]);

  const response = encodeResponse(model.manifest, request, result.outputs);
  const account = `account:${call.account.accountId}`;
  const outputs = returned(request, result.outputs);
  const encodedOutput = encodeOutput(model.manifest.outputKind, outputs);
  const responseHash = sha256(response.body);
  const responseSalt = digests.salt("response");
  const fields = {
    requestId,
    modelId: model.modelId,
    ...committed,
    outputDigest: digests.outputDigest(encodedOutput),
    responseDigest: fieldDigests.hashedBodyDigest(responseSalt, responseHash),
    executionDigest: result.executionDigest,
    policyDigest: plan.policy.digest,
    requester: digests.requesterDigest(account),
    audience: call.audience ? audienceDigest(call.audience.chainId, call.audience.address) : NONE,
    settlement: NONE,
    promised: plan.promised,
    promiseDeadlineMs: plan.promised === 0 ? 0n : BigInt(Date.now() + plan.withinMs),
  };
  const projection = {
    requestHash,
    responseHash,
    requestSalt,
    responseSalt,
    modelName: model.manifest.name,
    modelVersion: model.manifest.version,
    endpoint: call.path,
    challengeNonce: call.challengeNonce ?? null,
    executionTimeMs: BigInt(executionTimeMs),
  };
  const forms = parts.otherForms ? projection : null;
  const statement = await session.sign(fields, forms, paying?.id ?? null).catch((error: unknown) => {
    paying?.refused(error);
    throw error;
  });

  const { executionText, executionDigest } = result;
  const { modelId } = model;
  const ran = { modelId, inputs: request.inputs, outputs, executionDigest, salt };
  const signed = { statement, deadlineMs: Number(fields.promiseDeadlineMs), ran };
  const entry = { statement, call, requestId, modelId, executionText, executionDigest };
  try {
    return await publish(parts, entry, { plan, signed, response, account, defaultSalt, seal });
  } catch (error) {
    await paying?.lost();
    throw error;
  }
}

interface Unpublished {
  plan: Plan;
  signed: Parameters<Assured["promise"]>[2];
  response: EncodedMessage;
  account: string;
  defaultSalt: Uint8Array;
  seal: SealReplay | undefined;
}

/** Stores what was signed, with what was promised beside it: nothing leaves before. */
async function publish(
  parts: RunningParts,
  entry: Omit<AppendEntry, "replay">,
  { plan, signed, response, account, defaultSalt, seal }: Unpublished,
): Promise<InferAnswer> {
  const { call, statement } = entry;
  const headers: Record<string, string> = {};
  if (plan.promised !== 0)
    headers[plan.bound ? "Affidavit-Proof-Id" : "Affidavit-Reexecution-Id"] = await parts.assured.promise(
      plan,
      call.account,
      signed,
    );
  if (!call.salt) headers["Affidavit-Salt"] = toHex(defaultSalt);
  const made = answerWith(response, statement, account, headers);
  const replay = seal ? await seal(made) : undefined;
  const signedMs = performance.now();
  await parts.append({ ...entry, replay });
  if (!parts.serverTiming) return made;
  const timing = `append;dur=${(performance.now() - signedMs).toFixed(3)}`;
  return { ...made, headers: { ...made.headers, "Server-Timing": timing } };
}

/** What binds the input needs no output, so it is hashed on this thread while the engine works on another. */
async function commitWhileItRuns(
  digests: SaltedDigests,
  call: InferCall,
  request: InferRequest,
  circuitInput: () => Promise<Uint8Array | undefined>,
): Promise<{
  committed: { inputCommitment: Uint8Array; requestDigest: Uint8Array; circuitInput: Uint8Array };
  requestHash: Uint8Array;
  requestSalt: Uint8Array;
}> {
  // First the frames leave for the engine.
  await new Promise((next) => setImmediate(next));
  const requestHash = sha256(call.body);
  const requestSalt = digests.salt("request");
  const committed = {
    inputCommitment: digests.inputCommitment(canonicalTensors(request.inputs)),
    requestDigest: fieldDigests.hashedBodyDigest(requestSalt, requestHash),
    circuitInput: (await circuitInput()) ?? NONE,
  };
  return { committed, requestHash, requestSalt };
}

function encodeResponse(manifest: Manifest, request: InferRequest, outputs: Tensor[]): EncodedMessage {
  const { name: modelName, version: modelVersion } = manifest;
  return encodeInferResponse({ modelName, modelVersion, id: request.id, outputs }, request);
}

/** The outputs that the response holds, in the manifest's order: what the output digest covers. */
function returned(request: InferRequest, outputs: Tensor[]): Tensor[] {
  if (!request.outputs) return outputs;
  const wanted = new Set(request.outputs.map(({ name }) => name));
  return outputs.filter(({ name }) => wanted.has(name));
}

function answerWith(
  response: EncodedMessage,
  statement: SignedStatement,
  account: string,
  further: Record<string, string>,
): InferAnswer {
  const headers: Record<string, string> = {
    ...further,
    "Content-Type": response.contentType,
    "Affidavit-Receipt": encodeReceiptHeader({
      type: "InferenceStatement",
      words: statement.words,
      signature: statement.signature,
    }),
    "Affidavit-Receipt-Id": toHex(statement.digest),
    "Affidavit-Keyset": toHex0x(statement.keysetDigest),
    "Affidavit-Requester": account,
    "X-Receipt-Id": toHex(statement.digest),
    "X-ACI-Keyset-Digest": aciHash(statement.keysetDigest),
  };
  if (response.headerLength !== undefined) {
    headers["Inference-Header-Content-Length"] = String(response.headerLength);
  }
  return { status: 200, headers, body: response.body };
}
