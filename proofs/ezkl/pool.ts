/** As many provers as are wanted at once; each ends when it has been idle for a while, and is replaced where it died. */
import { ProofError } from "../error.ts";
import { Worker, type Answer, type Run, type WorkerLimits } from "./worker.ts";

export interface PoolOptions extends WorkerLimits {
  /** The interpreter that `findProofSystem` gives. */
  python: string;
  /** How many at once. */
  workers: number;
  /** An idle worker holds its memory for so long. */
  idleMs: number;
}

const MAX_WAITING = 1024;

export class ProverPool {
  readonly #options: PoolOptions;
  readonly #idle = new Map<Worker, NodeJS.Timeout>();
  readonly #alive = new Set<Worker>();
  readonly #waiting: (() => void)[] = [];
  #busy = 0;
  #closed = false;

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** How many operations run, and how many wait for a worker. */
  get load(): { running: number; waiting: number } {
    return { running: this.#busy, waiting: this.#waiting.length };
  }

  /** @throws ProofError as `Worker.run`, and `prover_busy` where too many wait */
  async run(run: Run): Promise<Answer> {
    await this.#takeTurn(run.signal);
    try {
      return await this.#runNow(run);
    } finally {
      this.#passTurn();
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const worker of this.#alive) worker.kill("cancelled", "the provers were stopped");
    for (const timer of this.#idle.values()) clearTimeout(timer);
    await Promise.all([...this.#alive].map(({ gone }) => gone));
  }

  async #takeTurn(signal: AbortSignal | undefined): Promise<void> {
    if (this.#busy < this.#options.workers) {
      this.#busy++;
      return;
    }
    if (this.#waiting.length >= MAX_WAITING) throw new ProofError("prover_busy", "too many proofs wait");
    await new Promise<void>((resolve, reject) => {
      const turn = () => {
        signal?.removeEventListener("abort", cancel);
        resolve();
      };
      const cancel = () => {
        this.#waiting.splice(this.#waiting.indexOf(turn), 1);
        reject(new ProofError("cancelled", "the operation was cancelled"));
      };
      this.#waiting.push(turn);
      signal?.addEventListener("abort", cancel, { once: true });
      if (signal?.aborted) cancel();
    });
  }

  /** A waiting operation takes the place itself: nobody who comes now can be before it. */
  #passTurn(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#busy--;
  }

  async #runNow(run: Run): Promise<Answer> {
    if (this.#closed) throw new ProofError("cancelled", "the provers are stopped");
    const worker = this.#takeIdle() ?? this.#startWorker();
    try {
      await worker.start();
      return await worker.run(run);
    } finally {
      this.#park(worker);
    }
  }

  #takeIdle(): Worker | undefined {
    for (const [worker, timer] of this.#idle) {
      clearTimeout(timer);
      this.#idle.delete(worker);
      if (this.#alive.has(worker)) return worker;
    }
    return undefined;
  }

  #startWorker(): Worker {
    const { python, memoryBytes, nice } = this.#options;
    const worker = new Worker(python, { memoryBytes, nice });
    this.#alive.add(worker);
    void worker.gone.then(() => {
      this.#alive.delete(worker);
      clearTimeout(this.#idle.get(worker));
      this.#idle.delete(worker);
    });
    return worker;
  }

  #park(worker: Worker): void {
    if (!this.#alive.has(worker) || worker.isEnding) return;
    const timer = setTimeout(() => {
      this.#idle.delete(worker);
      worker.end();
    }, this.#options.idleMs);
    timer.unref();
    this.#idle.set(worker, timer);
  }
}
