/**
 * What requests are sealed to: the newest key, and those before it until their overlap ends. A new one is on disk before
 * anybody hears of it; one that ended is gone from disk and memory with the next look.
 */
import { VaultError } from "../error.ts";
import { MAX_SEALING_KEYS, type SealingKeyInfo, type Tending } from "../wire/sealing.ts";
import { drawSealingKey, type SealingKey } from "./cluster-keys.ts";
import { x25519FromPrivateKey, type X25519Key } from "./x25519.ts";

export interface SealingRotation {
  /** How old the newest key becomes before another is made; 0 for no limit. */
  rotateAfterMs: number;
  /** How long a key still opens requests after another was made. */
  overlapMs: number;
}

interface Parts {
  rotation: SealingRotation;
  nowMs: () => number;
  /** Returns when they are on disk, and nothing else is. */
  save: (keys: readonly SealingKey[]) => Promise<void>;
}

export interface OpeningKey {
  epoch: number;
  key: X25519Key;
}

interface Held extends SealingKey, OpeningKey {}

export class SealingKeys {
  readonly #parts: Parts;
  #held: readonly Held[];
  #turn: Promise<unknown> = Promise.resolve();

  /** @param keys the newest first */
  constructor(parts: Parts, keys: readonly SealingKey[]) {
    this.#parts = parts;
    this.#held = keys.map(hold);
  }

  /** Those that open requests now, the newest first. */
  opening(): readonly OpeningKey[] {
    return this.#live();
  }

  /** Public halves of those that open requests now, the newest first. */
  list(): SealingKeyInfo[] {
    return this.#live().map(({ epoch, key, madeAtMs }, i, live) => ({
      epoch,
      publicKey: key.publicKey,
      madeAtMs: BigInt(madeAtMs),
      endsAtMs: i === 0 ? null : BigInt(this.#endOf(live[i - 1]!)),
    }));
  }

  /**
   * Makes another key where it is asked for or due, and removes those that ended.
   * @throws VaultError `sealing_keys_limit`
   */
  tend(how: Tending): Promise<SealingKeyInfo[]> {
    const tended = this.#turn.then(() => this.#tend(how));
    this.#turn = tended.catch(() => undefined);
    return tended;
  }

  async #tend(how: Tending): Promise<SealingKeyInfo[]> {
    const live = this.#live();
    const due = live.length < MAX_SEALING_KEYS && this.#isDue(live[0]!);
    const next = how !== "look" || due ? this.#rotated(live, how) : live;
    if (next.length !== this.#held.length || next[0] !== this.#held[0]) await this.#replace(next);
    return this.list();
  }

  #rotated(live: readonly Held[], how: Tending): readonly Held[] {
    const next = hold(drawSealingKey(live[0]!.epoch + 1, this.#parts.nowMs()));
    if (how === "rotateAndEnd") return [next];
    if (live.length >= MAX_SEALING_KEYS) throw new VaultError("sealing_keys_limit");
    return [next, ...live];
  }

  async #replace(next: readonly Held[]): Promise<void> {
    await this.#parts.save(next.map(({ epoch, madeAtMs, secretKey }) => ({ epoch, madeAtMs, secretKey })));
    const gone = this.#held.filter((held) => !next.includes(held));
    this.#held = next;
    for (const { secretKey } of gone) secretKey.fill(0);
  }

  #isDue({ madeAtMs }: Held): boolean {
    const { rotation, nowMs } = this.#parts;
    return rotation.rotateAfterMs > 0 && nowMs() - madeAtMs >= rotation.rotateAfterMs;
  }

  /** When the key before this one ends. */
  #endOf({ madeAtMs }: Held): number {
    return madeAtMs + this.#parts.rotation.overlapMs;
  }

  #live(): readonly Held[] {
    const held = this.#held;
    if (held.length === 1) return held;
    const nowMs = this.#parts.nowMs();
    return held.filter((_, i) => i === 0 || nowMs < this.#endOf(held[i - 1]!));
  }
}

function hold(key: SealingKey): Held {
  return { ...key, key: x25519FromPrivateKey(key.secretKey) };
}
