/**
 * Verifies a receipt with no network: a short list of named steps, each of which must hold or be skipped for a stated
 * reason. The evidence is judged as of the statement's own time, which is the host's word; see `keyset log` for what bounds it.
 */
import { AttestationError, type CollateralCache } from "../attestation/index.ts";
import { CodecError } from "../codec/index.ts";
import {
  keysetDigest as digestOfKeyset,
  ReceiptError,
  type KeysetRecord,
  type NoncedEvidence,
  type PrivatePart,
  type ReceiptBundle,
  type Revocation,
} from "../receipts/index.ts";
import { ProofError, type ProofBundle, type ProofVerifier } from "../proofs/client.ts";
import { appraisalPolicy, circuitPolicy, type ClientPolicy } from "./policy.ts";
import { bodies } from "./steps/bodies.ts";
import type { Context, Expectations, KeysetContext, Step } from "./steps/context.ts";
import { audience, execution, model } from "./steps/documents.ts";
import { policy } from "./steps/policy.ts";
import { evidence, freshness, inclusion, keyset, keysetLog, keysetStatement } from "./steps/keyset.ts";
import { measuredModel } from "./steps/measured-model.ts";
import { PROOF_STEPS, type ProofContext } from "./steps/proof.ts";
import { CLOCK_SKEW_MS, complete, fields, signature, signer, time } from "./steps/statement.ts";
import { keysetRevocation, revocation } from "./steps/revocation.ts";
import { inclusionWitnesses, keysetWitnesses, requiredWitnesses } from "./steps/witnesses.ts";
import { StepFailure, type StepResult, type Verification } from "./verification.ts";

const KEYSET_STEPS: readonly Step<KeysetContext>[] = [
  keyset,
  keysetStatement,
  keysetLog,
  keysetWitnesses,
  keysetRevocation,
  evidence,
  freshness,
];

const RECEIPT_STEPS: readonly Step[] = [
  fields,
  signature,
  keyset,
  signer,
  time,
  keysetStatement,
  keysetLog,
  keysetWitnesses,
  evidence,
  freshness,
  complete,
  model,
  measuredModel,
  policy,
  execution,
  audience,
  bodies,
  inclusion,
  inclusionWitnesses,
  revocation,
];

export interface VerifyKeysetOptions {
  /** The verifier's present. */
  now: Date;
  policy?: ClientPolicy;
  /** Evidence over the verifier's own nonce. */
  fresh?: { evidence: NoncedEvidence; nonce: Uint8Array } | undefined;
  /** Verified collateral of earlier calls, to be used again. */
  cache?: CollateralCache | undefined;
  /** The service's list (`GET /v1/revocations`), against which to check; without it the result says `unchecked`. */
  revocations?: readonly Revocation[] | undefined;
  /** When the service was asked for that list, where the verifier knows. */
  revocationsAskedAt?: Date | undefined;
}

export interface VerifyOptions extends VerifyKeysetOptions {
  /** Salt and bodies, where the verifier has them; without them the result says `bodies: unchecked`. */
  privatePart?: PrivatePart | undefined;
  expect?: Expectations;
}

/**
 * Never throws on what a receipt holds: a bad one is `rejected`, with the code of the first step that does not hold.
 * @throws AttestationError `policy_malformed`
 */
export function verifyReceipt(bundle: ReceiptBundle, options: VerifyOptions): Verification {
  return runSteps(RECEIPT_STEPS, receiptContext(bundle, options));
}

function receiptContext(bundle: ReceiptBundle, options: VerifyOptions): Context {
  const { keysetDigest, issuedAtMs } = bundle.statement;
  return {
    ...keysetContext(bundle, keysetDigest, Number(issuedAtMs), options),
    clockSkewMs: 0,
    bundle,
    privatePart: options.privatePart,
    expect: options.expect ?? {},
    requireInclusion: options.policy?.requireInclusion ?? options.policy?.witnesses !== undefined,
  };
}

export interface VerifyProofOptions extends VerifyOptions {
  /** `loadProofVerifier()` gives it. */
  verifier: ProofVerifier;
}

/**
 * Verifies a receipt and the proof that belongs to it. The result is of both: where either does not hold, it is rejected.
 * @throws AttestationError `policy_malformed`
 * @throws ProofError `prover_crashed` where the verifier itself broke down
 */
export function verifyProof(proof: ProofBundle, options: VerifyProofOptions): Verification {
  const context: ProofContext = {
    ...receiptContext(proof.receipt, options),
    proof,
    verifier: options.verifier,
    circuitPolicy: circuitPolicy(options.policy ?? {}),
    laterSigner: (atMs) => laterSigner(proof.keyset!, Number(atMs), options),
  };
  return runSteps<ProofContext>([...RECEIPT_STEPS, ...PROOF_STEPS], context);
}

/** A later keyset must hold as the receipt's does. @throws StepFailure what its steps throw */
function laterSigner(record: KeysetRecord, atMs: number, options: VerifyKeysetOptions): Uint8Array {
  const context = keysetContext(record, digestOfKeyset(record.keyset), atMs, {
    ...options,
    fresh: undefined,
  });
  for (const step of KEYSET_STEPS) step.run(context);
  return context.keyset!.receiptAddress;
}

/**
 * Verifies that a keyset is attested and logged, before anything is sent to whoever holds it.
 * @throws AttestationError `policy_malformed`
 */
export function verifyKeyset(record: KeysetRecord, options: VerifyKeysetOptions): Verification {
  const digest = digestOfKeyset(record.keyset);
  return runSteps(KEYSET_STEPS, keysetContext(record, digest, options.now.getTime(), options));
}

function keysetContext(
  record: KeysetRecord,
  keysetDigest: Uint8Array,
  atMs: number,
  { now, policy: wanted, fresh, cache, revocations, revocationsAskedAt }: VerifyKeysetOptions,
): KeysetContext {
  return {
    record,
    keysetDigest,
    atMs,
    clockSkewMs: CLOCK_SKEW_MS,
    policy: appraisalPolicy(wanted ?? {}),
    witnesses: requiredWitnesses(wanted?.witnesses),
    revocations,
    revocationsAskedAt,
    now,
    fresh,
    cache,
    claims: [],
  };
}

function runSteps<C extends KeysetContext>(list: readonly Step<C>[], context: C): Verification {
  const steps: StepResult[] = [];
  for (const step of list) {
    try {
      const found = step.run(context);
      if (typeof found === "string") steps.push({ step: step.name, status: "pass", detail: found });
      else steps.push({ step: step.name, status: "skipped", detail: found.skipped });
    } catch (error) {
      const { code, message } = refusal(error);
      steps.push({ step: step.name, status: "fail", detail: message });
      return { verdict: "rejected", code, message, simulated: isSimulated(context), steps, claims: [] };
    }
  }
  const { claims } = context;
  return { verdict: "accepted", code: "ok", message: "", simulated: isSimulated(context), steps, claims };
}

function isSimulated(context: KeysetContext): boolean {
  return context.appraisal?.simulated ?? false;
}

/** Errors of the domains are refusals; any other is a fault of this code and no verdict. */
function refusal(error: unknown): { code: string; message: string } {
  if (error instanceof StepFailure) return error;
  if (error instanceof ReceiptError || error instanceof AttestationError || error instanceof CodecError)
    return error;
  if (error instanceof ProofError && error.code !== "prover_crashed") return error;
  throw error;
}
