/** Nonces that were handed out and not used yet. Each is good for one release, for a minute; none outlives the process. */
import { randomBytes } from "node:crypto";
import { toHex } from "../../codec/index.ts";
import { BrokerError } from "./error.ts";

export const CHALLENGE_LIFETIME_MS = 60_000;
/** Enough for every replica of an installation to load every model at once. */
const MAX_OPEN = 4096;

export class Challenges {
  readonly #open = new Map<string, { modelId: string; expiresAtMs: number }>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number) {
    this.#nowMs = nowMs;
  }

  /** @throws BrokerError `challenge_limit` */
  draw(modelId: Uint8Array): { nonce: Uint8Array; expiresAtMs: number } {
    this.#drop();
    if (this.#open.size >= MAX_OPEN)
      throw new BrokerError("challenge_limit", "too many challenges are open: try again in a minute");
    const nonce = new Uint8Array(randomBytes(32));
    const expiresAtMs = this.#nowMs() + CHALLENGE_LIFETIME_MS;
    this.#open.set(toHex(nonce), { modelId: toHex(modelId), expiresAtMs });
    return { nonce, expiresAtMs };
  }

  /**
   * Uses a challenge up, whatever comes of it.
   * @throws BrokerError `challenge_unknown` (never drawn, or used before), `challenge_expired`, `model_mismatch`
   */
  use(nonce: Uint8Array, modelId: Uint8Array): void {
    const name = toHex(nonce);
    const challenge = this.#open.get(name);
    this.#open.delete(name);
    if (!challenge)
      throw new BrokerError("challenge_unknown", "this challenge was never given, or was used before");
    if (this.#nowMs() >= challenge.expiresAtMs)
      throw new BrokerError("challenge_expired", "this challenge was given more than a minute ago");
    if (challenge.modelId !== toHex(modelId))
      throw new BrokerError("model_mismatch", "this challenge was given for another model");
  }

  /** They are in the order of their drawing. What ended a minute ago is told apart from what never was; then it is forgotten. */
  #drop(): void {
    const deadMs = this.#nowMs() - CHALLENGE_LIFETIME_MS;
    for (const [name, { expiresAtMs }] of this.#open) {
      if (expiresAtMs > deadMs) return;
      this.#open.delete(name);
    }
  }
}
