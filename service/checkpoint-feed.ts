/** Tells this process's long polls that a checkpoint was stored: nobody asks the database in a loop. */
import { ServiceError } from "./problem.ts";

const MAX_WAITING = 2048;

interface Waiter {
  size: bigint;
  wake: (reached: boolean) => void;
}

export class CheckpointFeed {
  /** Called when somebody begins to wait. */
  onWaiting: (() => void) | undefined;
  #size = -1n;
  readonly #waiting = new Set<Waiter>();

  /** Leaves that a stored checkpoint is known to cover; -1 before one is known. */
  get size(): bigint {
    return this.#size;
  }

  /** A checkpoint of this size is stored. */
  publish(size: bigint): void {
    if (size <= this.#size) return;
    this.#size = size;
    for (const waiter of this.#waiting) if (waiter.size <= size) waiter.wake(true);
  }

  /**
   * True once a checkpoint of at least `size` leaves is stored, false where `timeoutMs` passed or the signal came first.
   * @throws ServiceError `service_overloaded`
   */
  async reached(size: bigint, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    if (this.#size >= size) return true;
    if (signal.aborted) return false;
    if (this.#waiting.size >= MAX_WAITING) {
      throw new ServiceError("service_overloaded", "too many callers wait for a checkpoint", {
        retryAfterSeconds: 1,
      });
    }
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const waiter = { size, wake: resolve };
    const giveUp = () => resolve(false);
    const timer = setTimeout(giveUp, timeoutMs);
    signal.addEventListener("abort", giveUp, { once: true });
    this.#waiting.add(waiter);
    this.onWaiting?.();
    try {
      return await promise;
    } finally {
      this.#waiting.delete(waiter);
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
    }
  }
}
