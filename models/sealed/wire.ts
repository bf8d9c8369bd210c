/** What crosses the wire between a service and a broker: JSON, bytes in base64, digests and keys in hex. */
import { z } from "zod";
import { fromBase64, fromHex, toBase64, toHex, type Json } from "../../codec/index.ts";
import type { KeyReleaseTerms } from "../../receipts/index.ts";
import { ModelError } from "../errors.ts";

export interface ReleaseRequest extends KeyReleaseTerms {
  /** The type as `appraise` names it. */
  evidence: { type: "tdx" | "sgx" | "sev-snp" | "nitro" | "dstack" | "azure-vtpm"; quote: Uint8Array };
  endorsements: Json;
  /** The head of the file of sealed weights. */
  head: Uint8Array;
}

export interface Release {
  /** Encapsulated key (32) ‖ content key sealed to the release's HPKE key (48). */
  sealedKey: Uint8Array;
  /** The attestation result: a JWT. */
  ear: string;
  /** Of the owner's policy, 32 bytes. */
  policyDigest: Uint8Array;
}

/** The longest message, in bytes. */
export const MAX_MESSAGE_BYTES = 4 * 1024 * 1024;

const hex32 = z.string().regex(/^[0-9a-f]{64}$/);
const base64 = (bytes: number) =>
  z
    .string()
    .max(Math.ceil(bytes / 3) * 4)
    .regex(/^[A-Za-z0-9+/]*={0,2}$/);

const challengeSchema = z.strictObject({ modelId: hex32 });
const challengeAnswerSchema = z.object({ nonce: hex32, expiresAtMs: z.int().min(0) });
const releaseSchema = z.strictObject({
  nonce: hex32,
  hpkeKey: hex32,
  modelId: hex32,
  keysetDigest: hex32,
  evidence: z.strictObject({
    type: z.enum(["tdx", "sgx", "sev-snp", "nitro", "dstack", "azure-vtpm"]),
    quote: base64(1024 * 1024),
  }),
  endorsements: z.unknown(),
  head: base64(16 * 1024),
});
const releaseAnswerSchema = z.object({
  sealedKey: z.string().regex(/^[0-9a-f]{160}$/),
  ear: z.string().max(1024 * 1024),
  policyDigest: hex32,
});

/** @throws ModelError `broker_message_malformed` */
export function readChallenge(body: string): Uint8Array {
  return fromHex(read(challengeSchema, body).modelId);
}

export function readChallengeAnswer(body: string): { nonce: Uint8Array; expiresAtMs: number } {
  const { nonce, expiresAtMs } = read(challengeAnswerSchema, body);
  return { nonce: fromHex(nonce), expiresAtMs };
}

/** @throws ModelError `broker_message_malformed` */
export function readRelease(body: string): ReleaseRequest {
  const { nonce, hpkeKey, modelId, keysetDigest, evidence, endorsements, head } = read(releaseSchema, body);
  return {
    nonce: fromHex(nonce),
    hpkeKey: fromHex(hpkeKey),
    modelId: fromHex(modelId),
    keysetDigest: fromHex(keysetDigest),
    evidence: { type: evidence.type, quote: bytesOf(evidence.quote) },
    endorsements: endorsements as Json,
    head: bytesOf(head),
  };
}

export function writeRelease({ evidence, endorsements, head, ...terms }: ReleaseRequest): string {
  return JSON.stringify({
    nonce: toHex(terms.nonce),
    hpkeKey: toHex(terms.hpkeKey),
    modelId: toHex(terms.modelId),
    keysetDigest: toHex(terms.keysetDigest),
    evidence: { type: evidence.type, quote: toBase64(evidence.quote) },
    endorsements,
    head: toBase64(head),
  });
}

export function writeReleaseAnswer({ sealedKey, ear, policyDigest }: Release): string {
  return JSON.stringify({ sealedKey: toHex(sealedKey), ear, policyDigest: toHex(policyDigest) });
}

/** @throws ModelError `broker_message_malformed` */
export function readReleaseAnswer(body: string): Release {
  const { sealedKey, ear, policyDigest } = read(releaseAnswerSchema, body);
  return { sealedKey: fromHex(sealedKey), ear, policyDigest: fromHex(policyDigest) };
}

function read<T>(schema: z.ZodType<T>, body: string): T {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (cause) {
    throw new ModelError("broker_message_malformed", "not JSON", { cause });
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  throw new ModelError("broker_message_malformed", `${path.join(".")}: ${message}`);
}

function bytesOf(text: string): Uint8Array {
  try {
    return fromBase64(text);
  } catch (cause) {
    throw new ModelError("broker_message_malformed", "not base64", { cause });
  }
}
