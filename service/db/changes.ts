/** Who waits for a row learns at once of what this process changed about it; of what another did, by looking again. */
export class Changes {
  readonly #waiting = new Map<string, Set<() => void>>();

  /** After the change was committed. */
  tell(id: string): void {
    for (const wake of this.#waiting.get(id) ?? []) wake();
  }

  /** Asked for before the row is read, so that no change falls between. @returns after the next change, or the time */
  next(id: string, timeoutMs: number): Promise<void> {
    return new Promise((resolve) => {
      const waiting = this.#waiting.get(id) ?? new Set();
      const wake = () => {
        clearTimeout(timer);
        waiting.delete(wake);
        if (waiting.size === 0) this.#waiting.delete(id);
        resolve();
      };
      const timer = setTimeout(wake, timeoutMs);
      waiting.add(wake);
      this.#waiting.set(id, waiting);
    });
  }
}
