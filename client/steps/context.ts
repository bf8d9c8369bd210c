/** What the steps of one verification share. */
import type { Appraisal, AppraisalPolicy, CollateralCache } from "../../attestation/index.ts";
import type { Manifest } from "../../models/client.ts";
import type {
  KeysetDocument,
  KeysetRecord,
  NoncedEvidence,
  PrivatePart,
  ReceiptBundle,
  Revocation,
} from "../../receipts/index.ts";
import type { Claim } from "../verification.ts";
import type { RequiredWitnesses } from "./witnesses.ts";

/** What the verifier knows from elsewhere and wants the receipt to say. Each left out is not compared. */
export interface Expectations {
  model?: { name: string; version?: string | undefined };
  /** 32 bytes. */
  modelId?: Uint8Array;
  /** 32 bytes: `audienceDigest` of the contract, or zero for none. */
  audience?: Uint8Array;
}

/** What the steps about a keyset read; also where there is no statement yet. */
export interface KeysetContext {
  readonly record: KeysetRecord;
  /** The keyset that is meant: 32 bytes. */
  readonly keysetDigest: Uint8Array;
  /** When it must have been good. */
  readonly atMs: number;
  /** How far `atMs` may be before the keyset's own start, where two clocks are compared. */
  readonly clockSkewMs: number;
  readonly policy: AppraisalPolicy;
  readonly witnesses: RequiredWitnesses | undefined;
  /** What is known to be revoked; undefined where nobody was asked. Each is verified where it applies. */
  readonly revocations: readonly Revocation[] | undefined;
  /** When the service was asked for them, where that is known. */
  readonly revocationsAskedAt: Date | undefined;
  readonly now: Date;
  /** Evidence, and the verifier's own 32-byte nonce that it must be over. */
  readonly fresh: { evidence: NoncedEvidence; nonce: Uint8Array } | undefined;
  readonly cache: CollateralCache | undefined;
  readonly claims: Claim[];
  /** Filled by earlier steps. */
  keyset?: KeysetDocument;
  appraisal?: Appraisal;
  /** The GPUs whose evidence was stated with the keyset, by their identities; empty where it claims none. */
  gpuIds?: readonly string[];
}

export interface Context extends KeysetContext {
  readonly bundle: ReceiptBundle;
  readonly privatePart: PrivatePart | undefined;
  readonly expect: Expectations;
  readonly requireInclusion: boolean;
  /** Filled by earlier steps. */
  signer?: Uint8Array;
  manifest?: Manifest;
  /** The digest of the circuit binding that the policy names, where it promises a proof. */
  boundCircuit?: Uint8Array;
}

/** A step returns what it found, for people; it throws StepFailure where it does not hold. */
export interface Step<C extends KeysetContext = Context> {
  name: string;
  run(context: C): string | { skipped: string };
}

/** The source of whatever the attested code said: a hardware maker's root, or less. */
export function attestedSource({ appraisal }: KeysetContext): Claim["source"] {
  return appraisal ? appraisedSource(appraisal) : "simulated";
}

/** Under a root that is the policy's own, evidence is no more than the word of whoever holds that root's key. */
export function appraisedSource({ simulated, claims }: Appraisal): Claim["source"] {
  if (simulated) return "simulated";
  return claims["source"] === "hardware_proven" ? "hardware_proven" : "operator_asserted";
}

/** Bytes for people: the first and last few. */
export function short(bytes: Uint8Array): string {
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.length <= 20 ? `0x${hex}` : `0x${hex.slice(0, 8)}…${hex.slice(-8)}`;
}
