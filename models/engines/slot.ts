/** One place in the pool: a host process, what it has loaded, and the runs that were sent to it, in order. */
import { ModelError } from "../errors.ts";
import type { EngineDevice, HostStats } from "./engine.ts";
import type { Execution } from "./execution.ts";
import type { ModelState } from "./model-state.ts";
import type { HostProcess } from "./process.ts";
import type { Run } from "./run.ts";
import type { Usage } from "./usage.ts";
import type { LoadReply } from "./wire.ts";

/** A run as it was sent to one host. */
export interface Dispatch {
  /** Rises with every dispatch of the pool. */
  readonly number: number;
  /** Undefined once the run was taken back; the host still answers for the number. */
  run: Run | undefined;
  readonly state: ModelState;
  readonly timeoutMs: number;
  readonly inputBytes: number;
}

export interface Loaded {
  bytes: number;
  usedAtMs: number;
  execution: Execution;
  placement: Pick<LoadReply, "provider" | "adapter" | "cpuOperations" | "skipped">;
  usage: Usage;
  /** When a provider that was held back is to be tried again in the place of this one; Infinity where none is. */
  retryAtMs: number;
}

export class HostSlot {
  readonly process: HostProcess;
  readonly startedAtMs = performance.now();
  readonly device: EngineDevice | undefined;
  spare: boolean;
  ready = false;
  readonly loaded = new Map<ModelState, Loaded>();
  loading: ModelState | undefined;
  loadingSinceMs = 0;
  /** Oldest first; the first is the one that runs, as far as the pool has heard. */
  readonly outstanding: Dispatch[] = [];
  headSinceMs = 0;
  answered = 0;
  idleSinceMs = performance.now();
  /** The head that was over its limit at the last look: two looks in a row must agree before the kill. */
  suspect: Dispatch | ModelState | undefined;
  /** Why the pool killed it. */
  killedFor: "timeout" | "memory" | "closed" | "protocol" | "provider" | undefined;
  /** Until then its device is left alone, having failed to load a model that others of its kind may. */
  restsUntilMs = 0;

  constructor(process: HostProcess, spare: boolean, device: EngineDevice | undefined) {
    this.process = process;
    this.spare = spare;
    this.device = device;
  }

  /** Whether runs of the model may go here at all: models for devices and others never share a host. */
  serves(state: ModelState): boolean {
    return (this.device !== undefined) === state.wantsDevice;
  }

  /** The model as it is loaded here, where it is to be used as it is. */
  usable(state: ModelState, nowMs: number): Loaded | undefined {
    const loaded = this.loaded.get(state);
    return loaded && nowMs < loaded.retryAtMs ? loaded : undefined;
  }

  get head(): Dispatch | undefined {
    return this.outstanding[0];
  }

  push(dispatch: Dispatch): void {
    if (this.outstanding.length === 0) this.headSinceMs = performance.now();
    this.outstanding.push(dispatch);
  }

  /** Removes the head. */
  shift(): void {
    this.outstanding.shift();
    this.answered++;
    const nowMs = performance.now();
    this.headSinceMs = nowMs;
    if (this.outstanding.length === 0) this.idleSinceMs = nowMs;
  }

  /** Whether a long run or load keeps it from anything else. */
  heldUp(nowMs: number, stallMs: number): boolean {
    if (this.loading) return nowMs - this.loadingSinceMs > stallMs;
    return this.outstanding.length > 0 && nowMs - this.headSinceMs > stallMs;
  }

  kill(reason: NonNullable<HostSlot["killedFor"]>): void {
    this.killedFor ??= reason;
    this.process.kill();
  }

  stats(): HostStats {
    const busy = this.outstanding.length > 0 ? "busy" : "idle";
    return {
      pid: this.process.pid,
      device: this.device?.name,
      state: this.ready ? (this.loading ? "loading" : busy) : "starting",
      spare: this.spare,
      inFlight: this.outstanding.length,
      models: [...this.loaded.keys()].map((state) => state.label),
      loaded: [...this.loaded].map(([state, { placement }]) => ({ model: state.label, ...placement })),
    };
  }
}

/** Why the run that a host died of got no answer. */
export function deathError({ killedFor }: HostSlot, { timeoutMs }: Pick<Dispatch, "timeoutMs">): ModelError {
  if (killedFor === "timeout")
    return new ModelError("engine_timeout", `the run took longer than ${timeoutMs} ms`);
  const reason =
    killedFor === "memory"
      ? "the run took more memory than a host may have"
      : "the engine host died during the run";
  return new ModelError("engine_crashed", reason);
}

export function loadDeathError(): ModelError {
  return new ModelError("engine_crashed", "the engine host died, or was killed, while it loaded the model");
}
