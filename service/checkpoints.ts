/**
 * Signed log heads. One at a time a process: read the head, ask the vault what it signed last, prove that the one
 * extends the other, have log witnesses cosign it, store what comes back. A crash between signing and storing costs nothing: the next one extends it.
 */
import { EMPTY_ROOT } from "../receipts/index.ts";
import { VaultError, type Eip712Checkpoint, type Vault } from "../vault/index.ts";
import type { Witnessing } from "./witnessing.ts";

export interface CheckpointStore {
  head(): Promise<{ size: bigint; root: Uint8Array }>;
  consistencyProof(first: bigint, second: bigint): Promise<Uint8Array[]>;
  latest(): Promise<{ size: bigint; note: string } | undefined>;
  put(checkpoint: { size: bigint; root: Uint8Array; note: string; eip712: Eip712Checkpoint }): Promise<void>;
}

export interface StoredCheckpoint {
  size: bigint;
  /** The signed note. */
  note: string;
}

const PASSED_OVER = new Set<string>([
  "checkpoint_foreign",
  "origin_mismatch",
  "malformed",
  "request_too_large",
]);

export class Checkpoints {
  readonly #store: CheckpointStore;
  readonly #witnessing: Witnessing | undefined;
  /** Vaults that know what the witnesses hold. */
  readonly #met = new WeakSet<Vault>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(store: CheckpointStore, witnessing?: Witnessing) {
    this.#store = store;
    this.#witnessing = witnessing;
  }

  /**
   * A checkpoint of the log as it is now, or a little later.
   * @throws VaultError `checkpoint_rollback`, `checkpoint_fork` where the database is not the one signed for
   */
  sign(vault: Vault): Promise<StoredCheckpoint> {
    const next = this.#turn.then(() => this.#sign(vault));
    this.#turn = next.catch(() => undefined);
    return next;
  }

  async #sign(vault: Vault): Promise<StoredCheckpoint> {
    if (this.#witnessing && !this.#met.has(vault)) await this.#meet(vault, this.#witnessing);
    const last = await vault.lastCheckpoint();
    if (!last) await this.#extend(vault, 0n, { size: 0n, root: EMPTY_ROOT });
    const from = last?.size ?? 0n;
    const head = await this.#store.head();
    const latest = await this.#store.latest();
    if (latest && last && latest.size === head.size && from === head.size) {
      this.#witnessing?.complete(latest.note);
      return latest;
    }
    return await this.#extend(vault, from, head);
  }

  async #extend(
    vault: Vault,
    from: bigint,
    head: { size: bigint; root: Uint8Array },
  ): Promise<StoredCheckpoint> {
    const proof = from <= head.size ? await this.#store.consistencyProof(from, head.size) : [];
    const { size, root } = head;
    const signed = await vault.signCheckpoint({ size, root, previousSize: from, consistencyProof: proof });
    const note = this.#witnessing ? await this.#witnessing.cosign(signed.note) : signed.note;
    await this.#store.put({ size, root, note, eip712: signed.eip712 });
    return { size, note };
  }

  /**
   * Shows a vault that just started what the witnesses kept of this log: it goes on from the newest. A witness that
   * holds something else than this log key's notes is passed over; the vault tells.
   */
  async #meet(vault: Vault, witnessing: Witnessing): Promise<void> {
    const latest = await this.#store.latest();
    for (const note of await witnessing.heads(latest?.note)) {
      try {
        await vault.adoptCheckpoint(note);
      } catch (error) {
        if (!(error instanceof VaultError) || !PASSED_OVER.has(error.code)) throw error;
      }
    }
    this.#met.add(vault);
  }
}

/** What a caller who waits may bring forward: so often at most, whoever waits. */
const LEAST_GAP_MS = 250;

export interface CheckpointJob {
  /** Somebody waits: the next checkpoint comes sooner than the interval says. */
  hasten(): void;
  stop(): Promise<void>;
}

/** Signs a checkpoint each interval in which the log grew. */
export function startCheckpointJob(options: {
  checkpoints: Checkpoints;
  vault: () => Vault;
  intervalMs: number;
  onError: (error: unknown) => void;
}): CheckpointJob {
  let running: Promise<void> | undefined;
  let hastened: NodeJS.Timeout | undefined;
  let endedMs = -LEAST_GAP_MS;
  const start = () => {
    clearTimeout(hastened);
    hastened = undefined;
    running ??= tick().finally(() => {
      running = undefined;
      endedMs = performance.now();
    });
  };
  const timer = setInterval(start, options.intervalMs);
  async function tick(): Promise<void> {
    try {
      await options.checkpoints.sign(options.vault());
    } catch (error) {
      options.onError(error);
    }
  }
  return {
    hasten() {
      // One that runs may have read the head before the statement that is waited for.
      hastened ??= setTimeout(start, Math.max(0, endedMs + LEAST_GAP_MS - performance.now()));
    },
    async stop() {
      clearInterval(timer);
      clearTimeout(hastened);
      await running;
    },
  };
}
