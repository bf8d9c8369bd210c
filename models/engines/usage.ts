/** Where runs ran, counted: one entry a provider and adapter, so as many as the machine has. */
import type { Adapter } from "../execution.ts";
import type { ExecutionProvider } from "../manifest.ts";

export interface Usage {
  readonly provider: ExecutionProvider;
  readonly adapter: Adapter | null;
  runs: number;
}

export class Usages {
  readonly #byPlace = new Map<string, Usage>();

  of(provider: ExecutionProvider, adapter: Adapter | null): Usage {
    const place = JSON.stringify([provider, adapter?.name, adapter?.type]);
    let usage = this.#byPlace.get(place);
    if (usage === undefined) {
      usage = { provider, adapter, runs: 0 };
      this.#byPlace.set(place, usage);
    }
    return usage;
  }

  list(): Usage[] {
    return [...this.#byPlace.values()].map((usage) => ({ ...usage }));
  }
}
