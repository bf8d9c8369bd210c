/**
 * Gives the cluster's keys to another vault: once a nonce, to evidence that was made over it and that the policy accepts as of now, and
 * sealed to a key that this evidence names. This vault's own evidence names what was sealed, so that nobody between the two can put other
 * keys in its place.
 */
import { randomBytes } from "node:crypto";
import { Aes256Gcm, CipherSuite, DhkemX25519HkdfSha256, HkdfSha256 } from "@hpke/core";
import { concat, sha256, toHex } from "../../codec/index.ts";
import {
  CLUSTER_KEYS_ID,
  giverReportData,
  passingInfo,
  receiverReportData,
  type PassingTerms,
} from "../../receipts/index.ts";
import { VaultError } from "../error.ts";
import type { GivenKeys, OwnEvidence, PassingAsked, PassingRequest } from "../wire/passing.ts";
import type { PeerPolicy } from "./peers.ts";
import type { Statements } from "./statements.ts";

/** As long as two services take to fetch endorsements and send them. */
const LIFETIME_MS = 60_000;
const MAX_BEGUN = 64;

const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Aes256Gcm(),
});

interface Parts {
  quoteFor: (reportData64: Uint8Array) => Promise<OwnEvidence>;
  simulated: boolean;
  /** By which a peer is judged now; undefined for this vault's own image alone. */
  peerPolicy: () => PeerPolicy | undefined;
  /** What is given, as of now: whoever gets it wipes it. */
  payload: () => Uint8Array;
  statements: Pick<Statements, "signNow">;
  nowMs: () => number;
  log: (line: string) => void;
}

interface Begun {
  terms: PassingTerms;
  endsAtMs: number;
}

export class KeyPassing {
  readonly #parts: Parts;
  readonly #begun = new Map<string, Begun>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** @throws VaultError `busy` */
  begin({ nonce: receiverNonce, hpkeKey }: PassingAsked): { nonce: Uint8Array } {
    this.#drop();
    if (this.#begun.size >= MAX_BEGUN) throw new VaultError("busy");
    const giverNonce = new Uint8Array(randomBytes(32));
    const terms = { receiverNonce, giverNonce, hpkeKey };
    this.#begun.set(toHex(giverNonce), { terms, endsAtMs: this.#parts.nowMs() + LIFETIME_MS });
    return { nonce: giverNonce };
  }

  /**
   * @throws VaultError `passing_unknown`, `peer_refused`, `peer_stale`, `peer_measurement_unknown`, `peer_simulated`,
   *   `peer_policy_missing`, `quote_rate_limited`, `quote_failed`, `keyset_missing`, `keyset_expired`
   */
  async give({ nonce, peer }: PassingRequest): Promise<GivenKeys> {
    const { simulated, nowMs, log, quoteFor, statements } = this.#parts;
    const terms = this.#take(nonce);
    const { requirePeer } = await import("./peers.ts");
    const policy = await this.#policy();
    const expectedReportData = receiverReportData(terms);
    requirePeer(peer, { policy, simulated, expectedReportData, nowMs: nowMs(), log });
    const sealed = await this.#seal(terms, peer.quote);
    const evidence = await quoteFor(giverReportData(terms, sealed));
    const statement = statements.signNow("KeyRelease", (issuedAtMs) => ({
      modelId: CLUSTER_KEYS_ID,
      brokerKeyDigest: sha256(terms.hpkeKey),
      policyDigest: policy.digest,
      resultDigest: sha256(peer.quote),
      challengeNonce: nonce,
      issuedAtMs,
    }));
    return { sealed, evidence, statement };
  }

  async #policy(): Promise<PeerPolicy> {
    const { peerPolicy, quoteFor, simulated } = this.#parts;
    const { sameImagePolicy } = await import("./peers.ts");
    return peerPolicy() ?? sameImagePolicy(await quoteFor(new Uint8Array(64)), simulated);
  }

  async #seal(terms: PassingTerms, receiverQuote: Uint8Array): Promise<Uint8Array> {
    const payload = this.#parts.payload();
    try {
      const recipientPublicKey = await suite.kem.deserializePublicKey(terms.hpkeKey.slice());
      const info = passingInfo(terms, receiverQuote) as Uint8Array<ArrayBuffer>;
      const { enc, ct } = await suite.seal({ recipientPublicKey, info }, payload.slice());
      return concat(new Uint8Array(enc), new Uint8Array(ct));
    } catch (cause) {
      throw new VaultError("peer_refused", { cause });
    } finally {
      payload.fill(0);
    }
  }

  /** Used up, whatever comes of it. @throws VaultError `passing_unknown` */
  #take(nonce: Uint8Array): PassingTerms {
    this.#drop();
    const name = toHex(nonce);
    const begun = this.#begun.get(name);
    this.#begun.delete(name);
    if (!begun) throw new VaultError("passing_unknown");
    return begun.terms;
  }

  #drop(): void {
    const nowMs = this.#parts.nowMs();
    for (const [name, { endsAtMs }] of this.#begun) if (endsAtMs <= nowMs) this.#begun.delete(name);
  }
}
