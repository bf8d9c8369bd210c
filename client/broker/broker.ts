/**
 * An owner's key broker: it opens the content key of sealed weights for a vault whose evidence, made for this very release,
 * meets the owner's policy, and for no other. Nothing of an appraisal is kept: each load of a model asks again.
 */
import { createPublicKey, type KeyObject } from "node:crypto";
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import {
  appraise,
  earClaims,
  signEar,
  type Appraisal,
  type AppraisalPolicy,
} from "../../attestation/index.ts";
import { concat, equal, fromHex, sha256, toHex, utf8 } from "../../codec/index.ts";
import {
  ModelError,
  parseHead,
  unwrapContentKey,
  type Release,
  type ReleaseRequest,
  type SealedHead,
} from "../../models/index.ts";
import { keyReleaseReportData, keyReleaseText, type KeyReleaseTerms } from "../../receipts/index.ts";
import { Challenges } from "./challenges.ts";
import { BrokerError, EvidenceRefusedError } from "./error.ts";

const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});

/** What the owner decides of one model. */
export interface ReleasePolicy {
  appraisal: AppraisalPolicy;
  /** SHA-256 of the policy's exact bytes, 32 bytes: what a `KeyRelease` statement names. */
  digest: Uint8Array;
  /** No key any more, to anybody. */
  revoked: boolean;
}

export interface BrokerOptions {
  /** X25519, 32 bytes: what weights are sealed to. */
  secretKey: Uint8Array;
  publicKey: Uint8Array;
  /** Ed25519: signs attestation results. */
  resultKey: KeyObject;
  /** Asked at each release, so that a change holds from the next one on. Undefined: no such model. */
  policyFor(modelId: Uint8Array): Promise<ReleasePolicy | undefined>;
  nowMs(): number;
  /** Of this program, for the attestation result. */
  version: string;
  onDecision?(decision: Decision): void;
}

/** One line for the owner. */
export interface Decision {
  released: boolean;
  /** `ok`, or why not. */
  code: string;
  message: string;
  modelId: string;
  /** Null where the model was refused at the challenge, before anybody showed a keyset. */
  keysetDigest: string | null;
  atMs: number;
}

type Asked = Pick<ReleaseRequest, "modelId"> & Partial<Pick<ReleaseRequest, "keysetDigest">>;

export class Broker {
  readonly #options: BrokerOptions;
  readonly #challenges: Challenges;

  constructor(options: BrokerOptions) {
    this.#options = options;
    this.#challenges = new Challenges(() => options.nowMs());
  }

  /** X25519, 32 bytes. */
  get publicKey(): Uint8Array {
    return this.#options.publicKey;
  }

  /** The key that signs attestation results. */
  get resultPublicKey(): KeyObject {
    return createPublicKey(this.#options.resultKey);
  }

  /** @throws BrokerError `model_unknown`, `model_revoked`, `challenge_limit` */
  async challenge(modelId: Uint8Array): Promise<{ nonce: Uint8Array; expiresAtMs: number }> {
    return await this.#telling({ modelId }, async () => {
      await this.#policyFor(modelId);
      return this.#challenges.draw(modelId);
    });
  }

  /** @throws BrokerError; EvidenceRefusedError */
  async release(request: ReleaseRequest): Promise<Release> {
    return await this.#telling(request, async () => {
      const release = await this.#release(request);
      this.#tell(request, "ok", "key released");
      return release;
    });
  }

  async #telling<T>(asked: Asked, work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof BrokerError) && !(error instanceof EvidenceRefusedError)) throw error;
      this.#tell(asked, error.code, error.message);
      throw error;
    }
  }

  async #release(request: ReleaseRequest): Promise<Release> {
    this.#challenges.use(request.nonce, request.modelId);
    const policy = await this.#policyFor(request.modelId);
    const head = readHead(request);
    const appraisal = appraise(request.evidence, request.endorsements, {
      now: new Date(this.#options.nowMs()),
      policy: policy.appraisal,
      expectedReportData: keyReleaseReportData(request),
    });
    const ear = await this.#sign(request, appraisal, policy);
    if (appraisal.verdict !== "accepted")
      throw new EvidenceRefusedError(appraisal.code, appraisal.message, ear);
    const contentKey = await this.#unwrap(head);
    try {
      return { sealedKey: await sealTo(request, contentKey), ear, policyDigest: policy.digest };
    } finally {
      contentKey.fill(0);
    }
  }

  async #policyFor(modelId: Uint8Array): Promise<ReleasePolicy> {
    const policy = await this.#options.policyFor(modelId);
    if (!policy) throw new BrokerError("model_unknown", "the owner has no policy for this model");
    if (policy.revoked)
      throw new BrokerError("model_revoked", "the owner gives this model's key to nobody any more");
    return policy;
  }

  async #unwrap(head: SealedHead): Promise<Uint8Array> {
    try {
      return await unwrapContentKey(this.#options.secretKey, head);
    } catch (cause) {
      if (!(cause instanceof ModelError)) throw cause;
      const code = cause.code === "sealed_weights_malformed" ? cause.code : "sealed_weights_unreadable";
      throw new BrokerError(code, cause.message, { cause });
    }
  }

  #sign(request: ReleaseRequest, appraisal: Appraisal, policy: ReleasePolicy): Promise<string> {
    const { evidence, nonce } = request;
    const claims = earClaims(appraisal, {
      type: evidence.type,
      issuedAt: new Date(this.#options.nowMs()),
      verifier: { developer: "affidavit key broker", build: this.#options.version },
      policyIds: [`sha256:${toHex(policy.digest)}`],
      evidenceDigest: sha256(evidence.quote),
      nonce: toHex(nonce),
    });
    return signEar(claims, this.#options.resultKey, { algorithm: "EdDSA" });
  }

  #tell({ modelId, keysetDigest }: Asked, code: string, message: string): void {
    this.#options.onDecision?.({
      released: code === "ok",
      code,
      message,
      modelId: toHex(modelId),
      keysetDigest: keysetDigest ? toHex(keysetDigest) : null,
      atMs: this.#options.nowMs(),
    });
  }
}

/** The weights must be those of the model that the evidence was made for. */
function readHead({ head, modelId }: ReleaseRequest): SealedHead {
  let parsed: SealedHead;
  try {
    parsed = parseHead(head);
  } catch (cause) {
    if (!(cause instanceof ModelError)) throw cause;
    throw new BrokerError("sealed_weights_malformed", cause.message, { cause });
  }
  if (!equal(fromHex(parsed.description.modelId), modelId))
    throw new BrokerError("model_mismatch", "the sealed weights are another model's");
  return parsed;
}

async function sealTo(terms: KeyReleaseTerms, contentKey: Uint8Array): Promise<Uint8Array> {
  const info = utf8(keyReleaseText(terms));
  try {
    const recipientPublicKey = await suite.kem.deserializePublicKey(new Uint8Array(terms.hpkeKey));
    const sealed = await suite.seal({ recipientPublicKey, info }, new Uint8Array(contentKey));
    return concat(new Uint8Array(sealed.enc), new Uint8Array(sealed.ct));
  } catch (cause) {
    throw new BrokerError("broker_request_malformed", "the vault's HPKE key is no X25519 key", { cause });
  }
}
