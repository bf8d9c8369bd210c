/**
 * A vault that has no cluster's keys yet gets them from one that has. Until then it does nothing else; with them on disk it has done all
 * that it was started for.
 */
import { createDecipheriv, randomBytes } from "node:crypto";
import { equal } from "../../codec/index.ts";
import { giverReportData, passingInfo, receiverReportData, type PassingTerms } from "../../receipts/index.ts";
import { AEAD_TAG_BYTES, ENCAPSULATED_KEY_BYTES } from "../../sealing/index.ts";
import { VaultError } from "../error.ts";
import type { JoiningEnd, OwnEvidence, PassingAsked } from "../wire/passing.ts";
import { ed25519FromSeed } from "./ed25519.ts";
import { setUpReceiver } from "./hpke.ts";
import { parsePassedKeys, type PassedKeys } from "./passed-keys.ts";
import type { PeerPolicy } from "./peers.ts";
import { x25519FromPrivateKey, type X25519Key } from "./x25519.ts";

interface Parts {
  quoteFor: (reportData64: Uint8Array) => Promise<OwnEvidence>;
  simulated: boolean;
  /** The Ed25519 key of the owner that this start was given: 32 bytes. */
  owner: Uint8Array | undefined;
  /** An owner's signed text to the policy that peers are judged by. @throws VaultError */
  readPeerPolicy: (text: string, owner: Uint8Array | undefined) => Promise<PeerPolicy>;
  /** Returns when it is on disk. @throws VaultError `joining_off` where there are keys already */
  save: (passed: PassedKeys) => Promise<void>;
  nowMs: () => number;
  log: (line: string) => void;
}

interface Begun {
  nonce: Uint8Array;
  key: X25519Key;
  /** Once this vault's evidence was made. */
  quoted?: { terms: PassingTerms; quote: Uint8Array };
}

export class Joining {
  readonly #parts: Parts;
  #begun: Begun | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Anew, whatever was begun before. */
  begin(): PassingAsked {
    const secret = randomBytes(32);
    const key = x25519FromPrivateKey(secret);
    secret.fill(0);
    const nonce = new Uint8Array(randomBytes(32));
    this.#begun = { nonce, key };
    return { nonce, hpkeKey: key.publicKey };
  }

  /** Evidence over the giving vault's nonce. @throws VaultError `passing_unknown`, `quote_failed` */
  async quote(giverNonce: Uint8Array): Promise<OwnEvidence> {
    const begun = this.#begun;
    if (!begun) throw new VaultError("passing_unknown");
    const terms = { receiverNonce: begun.nonce, giverNonce, hpkeKey: begun.key.publicKey };
    const evidence = await this.#parts.quoteFor(receiverReportData(terms));
    begun.quoted = { terms, quote: evidence.quote };
    return evidence;
  }

  /**
   * Appraises the giving vault, whose evidence vouches for what it sealed, and keeps the keys.
   * @throws VaultError `passing_unknown`, `peer_refused`, `peer_stale` (evidence for another passing, or for other keys than these),
   *   `peer_measurement_unknown`, `peer_simulated`, `peer_policy_missing`, `policy_invalid`, `policy_owner_unknown`,
   *   `record_unreadable`, `key_file_invalid`, `checkpoint_state_invalid`, `joining_off`
   */
  async finish({ sealed, peer, policy: text }: JoiningEnd): Promise<void> {
    const begun = this.#begun;
    this.#begun = undefined;
    if (!begun?.quoted) throw new VaultError("passing_unknown");
    const { terms, quote } = begun.quoted;
    const { simulated, nowMs, log, owner } = this.#parts;
    const { requirePeer, sameImagePolicy } = await import("./peers.ts");
    const policy =
      text === null
        ? sameImagePolicy(await this.#parts.quoteFor(new Uint8Array(64)), simulated)
        : await this.#parts.readPeerPolicy(text, owner);
    const expectedReportData = giverReportData(terms, sealed);
    requirePeer(peer, { policy, simulated, expectedReportData, nowMs: nowMs(), log });
    const opened = openPassed(begun.key, sealed, passingInfo(terms, quote));
    const passed = parsePassedKeys(opened, nowMs());
    opened.fill(0);
    const { keys, checkpoint } = passed;
    if (!equal(checkpoint.logPublicKey, ed25519FromSeed(keys.logSeed).publicKey))
      throw new VaultError("checkpoint_state_invalid");
    if (owner && !(keys.policy.owner && equal(owner, keys.policy.owner)))
      throw new VaultError("policy_owner_unknown");
    await this.#parts.save(passed);
  }
}

/** @throws VaultError `record_unreadable` */
function openPassed(receiver: X25519Key, sealed: Uint8Array, info: Uint8Array): Buffer {
  const end = sealed.length - AEAD_TAG_BYTES;
  try {
    const { key, baseNonce } = setUpReceiver(receiver, sealed.subarray(0, ENCAPSULATED_KEY_BYTES), info);
    const decipher = createDecipheriv("aes-256-gcm", key, baseNonce, { authTagLength: AEAD_TAG_BYTES });
    decipher.setAuthTag(sealed.subarray(end));
    return Buffer.concat([decipher.update(sealed.subarray(ENCAPSULATED_KEY_BYTES, end)), decipher.final()]);
  } catch (cause) {
    throw new VaultError("record_unreadable", { cause });
  }
}
