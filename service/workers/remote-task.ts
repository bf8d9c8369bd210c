/** A proof in the hands of a worker elsewhere: what it says of it, how long it may be silent, and when it is over. */
import { JobFailure } from "../jobs/error.ts";
import type { RawProofParts } from "./report.ts";

/** A worker says every few seconds that it lives; one that does not has lost its task. */
export const SILENCE_MS = 15_000;
const WATCH_MS = 1000;

export interface RemoteTaskOptions {
  timeoutMs: number;
  /** Aborts where the job was cancelled, or the service stops. */
  signal: AbortSignal;
  nowMs: () => number;
  onStage: (stage: string) => void;
}

export class RemoteTask {
  /** What the worker sent, not yet verified. @throws JobFailure `worker_lost`, `prover_timeout`, `cancelled`, or the worker's own code */
  readonly result: Promise<RawProofParts>;
  readonly #options: RemoteTaskOptions;
  readonly #settle = Promise.withResolvers<RawProofParts>();
  #heardAtMs: number;
  #ended = false;

  constructor(options: RemoteTaskOptions) {
    this.#options = options;
    this.#heardAtMs = options.nowMs();
    const endsAtMs = this.#heardAtMs + options.timeoutMs;
    const timer = setInterval(() => this.#watch(endsAtMs), WATCH_MS);
    const cancel = () => this.fail("cancelled");
    options.signal.addEventListener("abort", cancel, { once: true });
    if (options.signal.aborted) cancel();
    this.result = this.#settle.promise.finally(() => {
      clearInterval(timer);
      options.signal.removeEventListener("abort", cancel);
    });
    // Whoever waits for it learns; until then a failure is nobody's.
    this.result.catch(() => undefined);
  }

  /** Whether nothing that the worker says of it counts any more. */
  get hasEnded(): boolean {
    return this.#ended;
  }

  progress(stage: string): void {
    this.#heardAtMs = this.#options.nowMs();
    this.#options.onStage(stage);
  }

  deliver(parts: RawProofParts): void {
    this.#ended = true;
    this.#settle.resolve(parts);
  }

  /** Always with another try: a worker's word is no verdict on the input. */
  fail(code: string): void {
    this.#ended = true;
    this.#settle.reject(new JobFailure(code, { retry: true }));
  }

  #watch(endsAtMs: number): void {
    const nowMs = this.#options.nowMs();
    if (nowMs >= endsAtMs) this.fail("prover_timeout");
    else if (nowMs - this.#heardAtMs >= SILENCE_MS) this.fail("worker_lost");
  }
}
