/** Models that are to be loaded before anyone asks for them, one at a time, whenever a host has nothing else to do. */
import { ModelError } from "../errors.ts";
import type { ModelState } from "./model-state.ts";
import type { HostSlot } from "./slot.ts";

type Settle = (error: ModelError | undefined) => void;

export class Preloads {
  readonly #waiting = new Map<ModelState, Settle[]>();

  /** Resolves with undefined once a host has the model, or with the reason why none will. */
  add(state: ModelState): Promise<ModelError | undefined> {
    return new Promise((resolve) => {
      const settles = this.#waiting.get(state);
      if (settles) settles.push(resolve);
      else this.#waiting.set(state, [resolve]);
    });
  }

  /** A host that is idle and a model for it; undefined where there is nothing to do now. */
  next(
    slots: readonly HostSlot[],
    nowMs: number,
    maxModelBytes: number,
  ): { slot: HostSlot; state: ModelState } | undefined {
    for (const state of this.#waiting.keys()) {
      const refusal = state.refusal(nowMs);
      if (refusal) this.settle(state, refusal);
      else if (slots.some(({ loaded }) => loaded.has(state))) this.settle(state, undefined);
      else if (!slots.some(({ loading }) => loading === state)) {
        const slot = slots.find((one) => one.serves(state) && isIdle(one) && nowMs >= one.restsUntilMs);
        if (slot === undefined) continue;
        if (hasRoom(slot, state, maxModelBytes)) return { slot, state };
        this.settle(
          state,
          new ModelError("model_unavailable", `${state.label} has no room beside the others`),
        );
      }
    }
    return undefined;
  }

  settle(state: ModelState, error: ModelError | undefined): void {
    const settles = this.#waiting.get(state) ?? [];
    this.#waiting.delete(state);
    for (const settle of settles) settle(error);
  }

  settleAll(error: ModelError): void {
    for (const state of this.#waiting.keys()) this.settle(state, error);
  }
}

function isIdle(slot: HostSlot): boolean {
  return slot.ready && !slot.spare && !slot.loading && !slot.killedFor && slot.outstanding.length === 0;
}

/** A model that nobody asked for yet pushes none out that somebody may have. */
function hasRoom(slot: HostSlot, state: ModelState, maxModelBytes: number): boolean {
  let held = state.model.manifest.weights.bytes;
  for (const { bytes } of slot.loaded.values()) held += bytes;
  return held <= maxModelBytes;
}
