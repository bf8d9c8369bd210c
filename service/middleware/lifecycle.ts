/** How many requests run, and whether new ones are taken: what a graceful shutdown waits for. */
import { ServiceError } from "../problem.ts";

export class Lifecycle {
  #running = 0;
  #working = 0;
  #draining = false;
  #idle: (() => void)[] = [];

  get draining(): boolean {
    return this.#draining;
  }

  get running(): number {
    return this.#running;
  }

  enter(): void {
    this.#running++;
  }

  leave(): void {
    this.#running--;
    this.#tellIfIdle();
  }

  /** Counts work that may outlast its request: its caller was answered before, or has gone. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    this.#working++;
    try {
      return await work();
    } finally {
      this.#working--;
      this.#tellIfIdle();
    }
  }

  #tellIfIdle(): void {
    if (this.#running > 0 || this.#working > 0) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /**
   * From now on new requests are refused; resolves once none runs and nothing is left of their work. The answers may still be on their way: close the
   * server after this, which waits for them.
   * @returns false where `timeoutMs` passed first
   */
  async drain(timeoutMs: number): Promise<boolean> {
    this.#draining = true;
    if (this.#running === 0 && this.#working === 0) return true;
    const { promise, resolve } = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => resolve(false), timeoutMs);
    this.#idle.push(() => resolve(true));
    const idle = await promise;
    clearTimeout(timer);
    return idle;
  }
}

/** A bound on something held by requests: their number, the bytes of their bodies. */
export class Budget {
  #left: number;
  #what: string;

  constructor(total: number, what: string) {
    this.#left = total;
    this.#what = what;
  }

  /** @throws ServiceError `service_overloaded` */
  take(amount: number): void {
    if (amount > this.#left) {
      throw new ServiceError("service_overloaded", `too many ${this.#what} at one time`, {
        retryAfterSeconds: 1,
      });
    }
    this.#left -= amount;
  }

  giveBack(amount: number): void {
    this.#left += amount;
  }
}
