/** The pool's processes: started, watched, killed and replaced. Knows nothing of queues. */
import type { EngineDevice } from "./engine.ts";
import type { ModelState } from "./model-state.ts";
import type { Limits } from "./options.ts";
import { HostProcess } from "./process.ts";
import { HostSlot } from "./slot.ts";
import { ModelError } from "../errors.ts";

const TICK_MS = 25;
const MEMORY_EVERY_TICKS = 20;
const START_LIMIT_MS = 30_000;
const SPARE_IDLE_MS = 30_000;
/** A host that dies younger than this, with nothing done, is part of a crash loop. */
const BACKOFF_FIRST_MS = 50;
const BACKOFF_MOST_MS = 10_000;
/** Starts that fail in a row before waiting runs are told. */
const HOPELESS_STARTS = 5;

export interface HostEvents {
  onDeath(slot: HostSlot): void;
  onReady(): void;
  /** The head has run for long; those behind it may be taken back. */
  onStall(slot: HostSlot): void;
  onNoStart(error: ModelError): void;
  onTick(nowMs: number): void;
  wantsSpare(heldUp: ReadonlySet<ModelState>): boolean;
}

export class Hosts {
  readonly slots: HostSlot[] = [];
  started = 0;
  restarts = 0;
  readonly #limits: Limits;
  readonly #events: HostEvents;
  readonly #ticker: NodeJS.Timeout;
  readonly #timers = new Set<NodeJS.Timeout>();
  #ticks = 0;
  /** Deaths in a row with no host having done anything in between. */
  #deaths = 0;
  #failedStarts = 0;
  #pendingStarts = 0;
  #closed = false;

  constructor(limits: Limits, events: HostEvents) {
    this.#limits = limits;
    this.#events = events;
    for (let i = 0; i < limits.hosts; i++) this.#start(false);
    for (const device of limits.devices) this.#start(false, device);
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
  }

  /** Unloads the least recently used models until another of this size fits. @throws ChannelError */
  async makeRoom(slot: HostSlot, bytes: number): Promise<void> {
    let held = bytes;
    for (const loaded of slot.loaded.values()) held += loaded.bytes;
    const oldestFirst = [...slot.loaded].sort(([, a], [, b]) => a.usedAtMs - b.usedAtMs);
    for (const [state, loaded] of oldestFirst) {
      if (held <= this.#limits.maxModelBytes) return;
      slot.loaded.delete(state);
      held -= loaded.bytes;
      await slot.process.unload(state.number);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearInterval(this.#ticker);
    for (const timer of this.#timers) clearTimeout(timer);
    for (const slot of this.slots) slot.kill("closed");
    await Promise.all(this.slots.map((slot) => slot.process.gone));
  }

  #start(spare: boolean, device?: EngineDevice): void {
    const environment = { ...this.#limits.environment, ...device?.environment };
    const slot = new HostSlot(new HostProcess(environment), spare, device);
    this.started++;
    this.slots.push(slot);
    slot.process.hello().then(
      () => {
        slot.ready = true;
        this.#failedStarts = 0;
        this.#events.onReady();
      },
      () => slot.kill("protocol"),
    );
    void slot.process.gone.then(() => this.#bury(slot));
  }

  #bury(slot: HostSlot): void {
    this.slots.splice(this.slots.indexOf(slot), 1);
    if (this.#closed) return;
    if (!slot.ready) this.#countFailedStart();
    this.#replace(slot);
    this.#events.onDeath(slot);
  }

  #replace(slot: HostSlot): void {
    if (slot.spare) return;
    const spare = slot.device ? undefined : this.slots.find((other) => other.spare && !other.killedFor);
    if (spare) {
      spare.spare = false;
      this.restarts++;
      return;
    }
    // The first replacement is at once; only a row of deaths with nothing done in between slows down.
    this.#deaths = slot.answered > 0 ? 1 : this.#deaths + 1;
    this.#startLater(slot.device);
  }

  #startLater(device: EngineDevice | undefined): void {
    const excess = Math.min(this.#deaths - 2, 16);
    const delayMs = excess < 0 ? 0 : Math.min(BACKOFF_MOST_MS, BACKOFF_FIRST_MS * 2 ** excess);
    this.#pendingStarts++;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      this.#pendingStarts--;
      this.restarts++;
      try {
        this.#start(false, device);
      } catch {
        // No process, file or memory to be had now: the same as a host that dies at once.
        this.#deaths++;
        this.#countFailedStart();
        this.#startLater(device);
      }
    }, delayMs);
    this.#timers.add(timer);
  }

  #countFailedStart(): void {
    if (++this.#failedStarts < HOPELESS_STARTS) return;
    this.#events.onNoStart(new ModelError("engine_crashed", "engine hosts do not start"));
  }

  #tick(): void {
    const nowMs = performance.now();
    this.#ticks++;
    for (const slot of this.slots) this.#watch(slot, nowMs);
    if (this.#ticks % MEMORY_EVERY_TICKS === 0) this.#watchMemory();
    this.#startSpare(nowMs);
    this.#events.onTick(nowMs);
  }

  #watch(slot: HostSlot, nowMs: number): void {
    if (slot.killedFor) return;
    const subject = this.#overLimit(slot, nowMs);
    if (subject !== undefined && subject === slot.suspect) return slot.kill("timeout");
    slot.suspect = subject;
    if (slot.heldUp(nowMs, this.#limits.stallMs) && slot.outstanding.length > 1) this.#events.onStall(slot);
    const retires = slot.spare && slot.ready && !slot.loading && slot.outstanding.length === 0;
    if (retires && nowMs - slot.idleSinceMs > SPARE_IDLE_MS) slot.kill("closed");
  }

  /** What has taken too long, where something has. */
  #overLimit(slot: HostSlot, nowMs: number): HostSlot["suspect"] {
    if (slot.loading)
      return nowMs - slot.loadingSinceMs > this.#limits.loadTimeoutMs ? slot.loading : undefined;
    const { head } = slot;
    if (head && nowMs - slot.headSinceMs > head.timeoutMs) return head;
    if (!slot.ready && nowMs - slot.startedAtMs > START_LIMIT_MS) slot.kill("protocol");
    return undefined;
  }

  #watchMemory(): void {
    for (const slot of this.slots) {
      if ((slot.process.residentBytes() ?? 0) > this.#limits.maxHostBytes) slot.kill("memory");
    }
  }

  #startSpare(nowMs: number): void {
    // A device has one host: there is no spare for it.
    const plain = this.slots.filter(({ device }) => device === undefined);
    const spares = plain.filter((slot) => slot.spare).length;
    if (plain.length === 0 || spares >= this.#limits.spareHosts || this.#pendingStarts > 0) return;
    if (!plain.every((slot) => slot.ready && slot.heldUp(nowMs, this.#limits.stallMs))) return;
    const heldUp = new Set<ModelState>();
    for (const slot of plain) {
      const state = slot.loading ?? slot.head?.state;
      if (state) heldUp.add(state);
    }
    if (!this.#events.wantsSpare(heldUp)) return;
    try {
      this.#start(true);
    } catch {
      // The steady hosts go on; the next tick tries again.
    }
  }
}
