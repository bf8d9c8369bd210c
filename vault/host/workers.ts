/**
 * Gives workers elsewhere the keys of single jobs. Each shows evidence over a nonce of this vault's and an HPKE key of its own,
 * which is appraised here under the operator's policy; then each job's key is sealed to that key, and the release is signed.
 */
import { randomBytes } from "node:crypto";
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import {
  appraise,
  earClaims,
  parsePolicy,
  type Appraisal,
  type AppraisalPolicy,
  type EvidenceType,
} from "../../attestation/index.ts";
import { concat, jcs, sha256, toHex, utf8, type Json } from "../../codec/index.ts";
import { workerReportData, workerText, type WorkerTerms } from "../../receipts/index.ts";
import { jobContext } from "../../sealing/index.ts";
import { VaultError } from "../error.ts";
import type {
  Admission,
  JobKeyRequest,
  ReleasedJobKey,
  WorkerChallenge,
  WorkerEvidence,
} from "../wire/workers.ts";
import { RateLimit } from "./rate.ts";
import type { Statements } from "./statements.ts";

export const WORKER_CHALLENGE_LIFETIME_MS = 60_000;
/** After it, and after so many keys, a worker shows fresh evidence: what was true of it may have changed. */
export const WORKER_LIFETIME_MS = 600_000;
export const MAX_WORKER_KEYS = 64;
const MAX_CHALLENGES = 1024;
const MAX_WORKERS = 256;
/** An appraisal takes milliseconds, for which everything else waits. */
const APPRAISALS_BURST = 16;
const APPRAISALS_PER_SECOND = 4;
/** The kind of jobs whose keys are given away. */
const KIND = "prove";
/** Whose report data says what the whole machine is for: a GPU's evidence says that of no machine. */
const TYPES: readonly string[] = [
  "tdx",
  "sgx",
  "sev-snp",
  "nitro",
  "dstack",
  "azure-vtpm",
] satisfies EvidenceType[];

const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});

interface Parts {
  /** The operator's appraisal policy, JSON text. */
  policy: string;
  /** Whether this vault's own TEE is a simulated one. */
  simulated: boolean;
  statements: Statements;
  recordKey: (context: Uint8Array) => Uint8Array;
  nowMs: () => number;
}

interface Admitted {
  terms: WorkerTerms;
  resultDigest: Uint8Array;
  endsAtMs: number;
  keysLeft: number;
}

export class Workers {
  readonly #parts: Parts;
  readonly #policy: AppraisalPolicy;
  readonly #policyDigest: Uint8Array;
  readonly #limit: RateLimit;
  readonly #challenges = new Map<string, number>();
  readonly #admitted = new Map<string, Admitted>();

  /** @throws VaultError `worker_policy_invalid` */
  constructor(parts: Parts) {
    this.#parts = parts;
    this.#policy = readPolicy(parts.policy);
    this.#policyDigest = sha256(utf8(parts.policy));
    this.#limit = new RateLimit(APPRAISALS_BURST, APPRAISALS_PER_SECOND, parts.nowMs);
  }

  /** @throws VaultError `busy` */
  challenge(): WorkerChallenge {
    const nowMs = this.#parts.nowMs();
    // What ended a minute ago is told apart from what never was; then it is forgotten.
    drop(this.#challenges, (endsAtMs) => endsAtMs + WORKER_CHALLENGE_LIFETIME_MS <= nowMs);
    if (this.#challenges.size >= MAX_CHALLENGES) throw new VaultError("busy");
    const nonce = new Uint8Array(randomBytes(32));
    const endsAtMs = nowMs + WORKER_CHALLENGE_LIFETIME_MS;
    this.#challenges.set(toHex(nonce), endsAtMs);
    return { nonce, expiresAtMs: BigInt(endsAtMs) };
  }

  /**
   * Uses the challenge up, whatever comes of it.
   * @throws VaultError `worker_challenge_unknown` (never drawn, or used before), `worker_challenge_expired`, `busy`
   */
  admit({ nonce, hpkeKey, type, quote, endorsements }: WorkerEvidence): Admission {
    const nowMs = this.#parts.nowMs();
    this.#use(nonce, nowMs);
    drop(this.#admitted, ({ endsAtMs }) => endsAtMs <= nowMs);
    if (this.#admitted.size >= MAX_WORKERS || !this.#limit.take()) throw new VaultError("busy");
    const terms = { nonce, hpkeKey };
    const now = new Date(nowMs);
    if (!TYPES.includes(type)) {
      const message = "a worker shows evidence of the machine that it runs on";
      return { code: "evidence_type_unknown", message, result: null, expiresAtMs: 0n };
    }
    const evidence = { type: type as EvidenceType, quote };
    const appraisal = appraise(evidence, readJson(endorsements), {
      now,
      policy: this.#policy,
      expectedReportData: workerReportData(terms),
    });
    const refused = this.#refusal(appraisal);
    if (refused) return { ...refused, result: null, expiresAtMs: 0n };
    const result = jcs(this.#claims(appraisal, evidence, nonce, now));
    const endsAtMs = nowMs + WORKER_LIFETIME_MS;
    const admitted = { terms, resultDigest: sha256(utf8(result)), endsAtMs, keysLeft: MAX_WORKER_KEYS };
    this.#admitted.set(toHex(nonce), admitted);
    return { code: "ok", message: "", result, expiresAtMs: BigInt(endsAtMs) };
  }

  /**
   * The job's key and no other, for the worker that was admitted with this nonce.
   * @throws VaultError `worker_unknown`, `malformed`, `keyset_missing`, `keyset_expired`
   */
  async release({ nonce, jobId }: JobKeyRequest): Promise<ReleasedJobKey> {
    if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(jobId)) throw new VaultError("malformed");
    const admitted = this.#admitted.get(toHex(nonce));
    if (!admitted || admitted.endsAtMs <= this.#parts.nowMs() || admitted.keysLeft === 0)
      throw new VaultError("worker_unknown");
    admitted.keysLeft--;
    const context = jobContext(KIND, jobId);
    const { hpkeKey } = admitted.terms;
    const statement = this.#parts.statements.signNow("KeyRelease", (issuedAtMs) => ({
      modelId: context,
      brokerKeyDigest: sha256(hpkeKey),
      policyDigest: this.#policyDigest,
      resultDigest: admitted.resultDigest,
      challengeNonce: nonce,
      issuedAtMs,
    }));
    const key = this.#parts.recordKey(context);
    try {
      return { sealedKey: await sealTo(admitted.terms, key, context), statement };
    } finally {
      key.fill(0);
    }
  }

  #use(nonce: Uint8Array, nowMs: number): void {
    const name = toHex(nonce);
    const endsAtMs = this.#challenges.get(name);
    this.#challenges.delete(name);
    if (endsAtMs === undefined) throw new VaultError("worker_challenge_unknown");
    if (endsAtMs <= nowMs) throw new VaultError("worker_challenge_expired");
  }

  #refusal({ verdict, code, message, simulated }: Appraisal): { code: string; message: string } | undefined {
    if (verdict !== "accepted") return { code, message: message.slice(0, 250) };
    // Whatever the policy says: a simulated TEE, whose key is public, gets nothing out of a real one.
    if (simulated && !this.#parts.simulated)
      return { code: "simulated_refused", message: "this vault is in a TEE, and the worker's is simulated" };
    return undefined;
  }

  #claims(
    appraisal: Appraisal,
    { type, quote }: { type: EvidenceType; quote: Uint8Array },
    nonce: Uint8Array,
    issuedAt: Date,
  ): Json {
    const claims = earClaims(appraisal, {
      type,
      issuedAt,
      verifier: { developer: "affidavit vault", build: "1" },
      policyIds: [`sha256:${toHex(this.#policyDigest)}`],
      evidenceDigest: sha256(quote),
      nonce: toHex(nonce),
    });
    return JSON.parse(JSON.stringify(claims)) as Json;
  }
}

function drop<T>(entries: Map<string, T>, isOver: (value: T) => boolean): void {
  for (const [name, value] of entries) if (isOver(value)) entries.delete(name);
}

/** @throws VaultError `worker_policy_invalid` */
function readPolicy(text: string): AppraisalPolicy {
  try {
    return parsePolicy(JSON.parse(text));
  } catch (cause) {
    throw new VaultError("worker_policy_invalid", { cause });
  }
}

/** What is no JSON endorses nothing, and is refused as such. */
function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

async function sealTo(terms: WorkerTerms, key: Uint8Array, context: Uint8Array): Promise<Uint8Array> {
  const info = utf8(workerText(terms));
  try {
    const recipientPublicKey = await suite.kem.deserializePublicKey(new Uint8Array(terms.hpkeKey));
    const sealed = await suite.seal({ recipientPublicKey, info }, new Uint8Array(key), context);
    return concat(new Uint8Array(sealed.enc), new Uint8Array(sealed.ct));
  } catch (cause) {
    // A point of small order: no key that anybody drew.
    throw new VaultError("worker_unknown", { cause });
  }
}
