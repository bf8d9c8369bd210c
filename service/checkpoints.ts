/**
 * Signed log heads. One at a time a process: read the head, ask the vault what it signed last, prove that the one
 * extends the other, store what comes back. A crash between signing and storing costs nothing: the next one extends it.
 */
import { EMPTY_ROOT } from "../receipts/index.ts";
import type { Eip712Checkpoint, Vault } from "../vault/index.ts";

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

export class Checkpoints {
  readonly #store: CheckpointStore;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(store: CheckpointStore) {
    this.#store = store;
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
    const last = await vault.lastCheckpoint();
    if (!last) await this.#extend(vault, 0n, { size: 0n, root: EMPTY_ROOT });
    const from = last?.size ?? 0n;
    const head = await this.#store.head();
    const latest = await this.#store.latest();
    if (latest && last && latest.size === head.size && from === head.size) return latest;
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
    await this.#store.put({ size, root, note: signed.note, eip712: signed.eip712 });
    return { size, note: signed.note };
  }
}

export interface CheckpointJob {
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
  const timer = setInterval(() => {
    running ??= tick().finally(() => (running = undefined));
  }, options.intervalMs);
  async function tick(): Promise<void> {
    try {
      await options.checkpoints.sign(options.vault());
    } catch (error) {
      options.onError(error);
    }
  }
  return {
    async stop() {
      clearInterval(timer);
      await running;
    },
  };
}
