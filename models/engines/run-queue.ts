/** Runs that wait for a host, and the bytes of input that waiting and running ones hold together. */
import type { Run } from "./run.ts";

/** A guess at a run's length before any was measured. */
const UNKNOWN_RUN_MS = 50;

export class RunQueue {
  /** In order of arrival; those that lost their place go to `#urgent`, which is served first. */
  readonly #queue = new Set<Run>();
  readonly #urgent = new Set<Run>();
  heldBytes = 0;

  get size(): number {
    return this.#queue.size + this.#urgent.size;
  }

  /** In the order in which they are served; those added meanwhile may or may not come. */
  *[Symbol.iterator](): Generator<Run, void> {
    yield* this.#urgent;
    yield* this.#queue;
  }

  add(run: Run): void {
    this.heldBytes += run.inputBytes;
    this.#queue.add(run);
  }

  /** Back to the front: it did no harm and had none; only its waiting time bounds how often. */
  addAgain(run: Run): void {
    if (run.settled) this.heldBytes -= run.inputBytes;
    else this.#urgent.add(run);
  }

  /** To a host: its bytes are held until `release`. */
  take(run: Run): void {
    if (!this.#queue.delete(run)) this.#urgent.delete(run);
  }

  /** Out of the queue for good. Returns whether it was in it. */
  remove(run: Run): boolean {
    const waited = this.#queue.delete(run) || this.#urgent.delete(run);
    if (waited) this.release(run);
    return waited;
  }

  release(run: Run): void {
    this.heldBytes -= run.inputBytes;
  }

  /** Whether some run has waited longer; the two lists are near enough in order of arrival to look at their heads. */
  hasWaited(maxWaitMs: number, nowMs: number): boolean {
    const heads = [this.#urgent.values().next().value, this.#queue.values().next().value];
    return heads.some((run) => run !== undefined && nowMs - run.queuedAtMs > maxWaitMs);
  }

  /** Expected work of all that waits, on one host. */
  workMs(): number {
    let workMs = 0;
    for (const run of this) workMs += run.state.estimateMs ?? UNKNOWN_RUN_MS;
    return workMs;
  }
}
