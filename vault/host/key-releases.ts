/**
 * Asks an owner's broker for the key of sealed weights: evidence over the broker's nonce and an HPKE key that was drawn for
 * this release alone. The content key of one file passes through here; no key of the vault's own opens it later again.
 */
import { createDecipheriv, randomBytes } from "node:crypto";
import { toHex, utf8 } from "../../codec/index.ts";
import { keyReleaseReportData, keyReleaseText, type KeyReleaseTerms } from "../../receipts/index.ts";
import { AEAD_TAG_BYTES, ENCAPSULATED_KEY_BYTES } from "../../sealing/index.ts";
import { VaultError } from "../error.ts";
import type { BrokersRelease, ReleasedKey, ReleaseEvidence } from "../wire/key-release.ts";
import { setUpReceiver } from "./hpke.ts";
import type { Keysets } from "./keysets.ts";
import type { Quotes } from "./quotes.ts";
import type { Statements } from "./statements.ts";
import { x25519FromPrivateKey, type X25519Key } from "./x25519.ts";

/** As long as a broker's challenge holds, and the time of the quote before it. */
const LIFETIME_MS = 90_000;
const MAX_BEGUN = 256;

interface Parts {
  quotes: Quotes;
  keysets: Keysets;
  statements: Statements;
  nowMs: () => number;
}

interface Begun {
  terms: KeyReleaseTerms;
  key: X25519Key;
  endsAtMs: number;
}

export class KeyReleases {
  readonly #parts: Parts;
  readonly #begun = new Map<string, Begun>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /**
   * @param nonce the broker's, 32 bytes
   * @throws VaultError `keyset_missing`, `keyset_expired`, `quote_rate_limited`, `quote_failed`, `busy`
   */
  async begin({ nonce, modelId }: { nonce: Uint8Array; modelId: Uint8Array }): Promise<ReleaseEvidence> {
    const { keysets, quotes, nowMs } = this.#parts;
    this.#drop();
    if (this.#begun.size >= MAX_BEGUN) throw new VaultError("busy");
    const { digest } = keysets.current(nowMs());
    const key = drawKey();
    const terms = { nonce, hpkeKey: key.publicKey, modelId, keysetDigest: digest };
    const evidence = await quotes.quoteFor(keyReleaseReportData(terms));
    this.#begun.set(toHex(nonce), { terms, key, endsAtMs: nowMs() + LIFETIME_MS });
    return { hpkeKey: key.publicKey, keysetDigest: digest, ...evidence };
  }

  /**
   * Opens what the broker released, once, and signs that it did.
   * @throws VaultError `release_unknown`, `record_unreadable`, `keyset_missing`, `keyset_expired`
   */
  finish(release: BrokersRelease): ReleasedKey {
    this.#drop();
    const name = toHex(release.nonce);
    const begun = this.#begun.get(name);
    this.#begun.delete(name);
    if (!begun) throw new VaultError("release_unknown");
    const contentKey = openKey(begun, release.sealedKey);
    const { brokerKeyDigest, policyDigest, resultDigest, nonce: challengeNonce } = release;
    const statement = this.#parts.statements.signNow("KeyRelease", (issuedAtMs) => ({
      modelId: begun.terms.modelId,
      brokerKeyDigest,
      policyDigest,
      resultDigest,
      challengeNonce,
      issuedAtMs,
    }));
    return { contentKey, statement };
  }

  #drop(): void {
    const nowMs = this.#parts.nowMs();
    for (const [name, { endsAtMs }] of this.#begun) if (endsAtMs <= nowMs) this.#begun.delete(name);
  }
}

function drawKey(): X25519Key {
  const secret = randomBytes(32);
  try {
    return x25519FromPrivateKey(secret);
  } finally {
    secret.fill(0);
  }
}

function openKey({ terms, key }: Begun, sealedKey: Uint8Array): Uint8Array {
  const end = sealedKey.length - AEAD_TAG_BYTES;
  try {
    const encapsulatedKey = sealedKey.subarray(0, ENCAPSULATED_KEY_BYTES);
    const context = setUpReceiver(key, encapsulatedKey, utf8(keyReleaseText(terms)));
    const decipher = createDecipheriv("aes-256-gcm", context.key, context.baseNonce);
    decipher.setAuthTag(sealedKey.subarray(end));
    const contentKey = decipher.update(sealedKey.subarray(ENCAPSULATED_KEY_BYTES, end));
    decipher.final();
    return new Uint8Array(contentKey);
  } catch (cause) {
    throw new VaultError("record_unreadable", { cause });
  }
}
