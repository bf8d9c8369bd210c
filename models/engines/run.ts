/** One inference on its way through the pool. */
import type { Tensor } from "../../receipts/index.ts";
import { ModelError } from "../errors.ts";
import type { EngineResult, RunOptions } from "./engine.ts";
import type { ModelState } from "./model-state.ts";

export class Run {
  readonly state: ModelState;
  readonly inputs: readonly Tensor[];
  readonly inputBytes: number;
  readonly timeoutMs: number;
  readonly queuedAtMs: number;
  readonly result: Promise<EngineResult>;
  readonly #signal: AbortSignal | undefined;
  readonly #onAbort: () => void;
  #settled = false;
  #resolve!: (result: EngineResult) => void;
  #reject!: (error: ModelError) => void;

  constructor(
    state: ModelState,
    inputs: readonly Tensor[],
    inputBytes: number,
    options: RunOptions,
    onAbort: (run: Run) => void,
  ) {
    this.state = state;
    this.inputs = inputs;
    this.inputBytes = inputBytes;
    this.timeoutMs = Math.min(options.timeoutMs, state.model.manifest.limits.timeoutMs);
    this.queuedAtMs = performance.now();
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    this.#signal = options.signal;
    this.#onAbort = () => onAbort(this);
    this.#signal?.addEventListener("abort", this.#onAbort, { once: true });
  }

  get settled(): boolean {
    return this.#settled;
  }

  /** Returns whether this was what settled the run. */
  resolve(result: EngineResult): boolean {
    if (!this.#settle()) return false;
    this.#resolve(result);
    return true;
  }

  /** Returns whether this was what settled the run. */
  reject(error: ModelError): boolean {
    if (!this.#settle()) return false;
    this.#reject(error);
    return true;
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    return true;
  }
}
