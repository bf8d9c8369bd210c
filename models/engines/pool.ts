/**
 * The onnxruntime engine: runs queue here and are sent to host processes that may be killed at any moment.
 *
 * A run is a pure function of its inputs, so one that had not begun when its host died is sent again elsewhere, and
 * only the one that ran fails. Which one ran is read from the host's ledger, not guessed.
 */
import type { Frame } from "../../ipc/index.ts";
import { toHex } from "../../codec/index.ts";
import type { Tensor } from "../../receipts/index.ts";
import { ModelError } from "../errors.ts";
import type {
  Engine,
  EnginePoolOptions,
  EngineResult,
  EngineStats,
  LoadedModel,
  PreloadFailure,
  RunOptions,
} from "./engine.ts";
import { decodeFailure } from "./failure.ts";
import { checkOutputs } from "./graph.ts";
import { Hosts } from "./hosts.ts";
import { loadInto } from "./load.ts";
import { ModelState } from "./model-state.ts";
import { fillOptions } from "./options.ts";
import type { Limits } from "./options.ts";
import { place } from "./placement.ts";
import { Preloads } from "./preload.ts";
import { Run } from "./run.ts";
import { deathError, loadDeathError } from "./slot.ts";
import type { Dispatch, HostSlot } from "./slot.ts";
import { decodeTensors, encodeTensors, MAX_TENSORS_BYTES, REPLY, REQUEST, runPrefix } from "./wire.ts";

const MIN_RETRY_MS = 100;
const MAX_RETRY_MS = 30_000;
/** A guess at a run's length before any was measured. */
const UNKNOWN_RUN_MS = 50;

export class EnginePool implements Engine {
  readonly #limits: Limits;
  readonly #hosts: Hosts;
  readonly #models = new Map<string, ModelState>();
  /** The same by object, sparing a request the key. */
  readonly #known = new WeakMap<LoadedModel, ModelState>();
  /** In order of arrival; those that lost their place go to `#urgent`, which is served first. */
  readonly #queue = new Set<Run>();
  readonly #urgent = new Set<Run>();
  readonly #preloads = new Preloads();
  #heldBytes = 0;
  #lastNumber = 0;
  #pumping = false;
  #closed = false;
  readonly #counts = { completed: 0, failed: 0, cancelled: 0, overloaded: 0, timeouts: 0, crashes: 0 };

  constructor(options: EnginePoolOptions = {}) {
    this.#limits = fillOptions(options);
    this.#hosts = new Hosts(this.#limits, {
      onDeath: (slot) => this.#afterDeath(slot),
      onReady: () => this.#pump(),
      onStall: (slot) => this.#takeBack(slot),
      onNoStart: (error) => this.#giveUp(error),
      onTick: (nowMs) => this.#dropExpired(nowMs),
      wantsSpare: (heldUp) => this.#wantsSpare(heldUp),
    });
  }

  async run(model: LoadedModel, inputs: readonly Tensor[], options: RunOptions): Promise<EngineResult> {
    if (this.#closed) throw closedError();
    if (options.signal?.aborted) throw this.#cancelled();
    let inputBytes = 0;
    for (const { data } of inputs) inputBytes += data.length;
    if (inputBytes > Math.min(this.#limits.maxHeldBytes, MAX_TENSORS_BYTES)) {
      throw new ModelError("input_too_large", "the inputs are larger than the engine may hold");
    }
    const waiting = this.#queue.size + this.#urgent.size;
    if (waiting >= this.#limits.maxQueued || this.#heldBytes + inputBytes > this.#limits.maxHeldBytes) {
      throw this.#overloaded("too many inferences wait");
    }
    const state = this.#stateOf(model);
    state.admit(performance.now());
    const run = new Run(state, inputs, inputBytes, options, (aborted) => this.#abort(aborted));
    this.#heldBytes += inputBytes;
    this.#queue.add(run);
    this.#pump();
    return run.result;
  }

  async preload(models: readonly LoadedModel[]): Promise<PreloadFailure[]> {
    if (this.#closed) throw closedError();
    const tries = models.map(async (model) => ({
      model,
      error: await this.#preloads.add(this.#stateOf(model)),
    }));
    this.#pump();
    const failures: PreloadFailure[] = [];
    for (const { model, error } of await Promise.all(tries)) if (error) failures.push({ model, error });
    return failures;
  }

  stats(): EngineStats {
    const hosts = this.#hosts.slots.map((slot) => slot.stats());
    return {
      queued: this.#queue.size + this.#urgent.size,
      heldBytes: this.#heldBytes,
      inFlight: hosts.reduce((sum, host) => sum + host.inFlight, 0),
      hosts,
      ...this.#counts,
      started: this.#hosts.started,
      restarts: this.#hosts.restarts,
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    const error = closedError();
    this.#giveUp(error);
    for (const slot of this.#hosts.slots)
      for (const { run } of slot.outstanding) if (run) this.#fail(run, error);
    await this.#hosts.close();
  }

  #stateOf(model: LoadedModel): ModelState {
    const known = this.#known.get(model);
    if (known) return known;
    const key = toHex(model.modelId);
    let state = this.#models.get(key);
    if (state === undefined) {
      state = new ModelState(model, this.#models.size + 1, this.#limits.breakerFailures);
      this.#models.set(key, state);
    }
    this.#known.set(model, state);
    return state;
  }

  #overloaded(reason: string): ModelError {
    this.#counts.overloaded++;
    let workMs = 0;
    for (const run of this.#queue) workMs += run.state.estimateMs ?? UNKNOWN_RUN_MS;
    const retryAfterMs = Math.min(
      MAX_RETRY_MS,
      Math.max(MIN_RETRY_MS, Math.ceil(workMs / this.#limits.hosts)),
    );
    return new ModelError("engine_overloaded", reason, { retryAfterMs });
  }

  #cancelled(): ModelError {
    this.#counts.cancelled++;
    return new ModelError("cancelled", "the caller went away");
  }

  #abort(run: Run): void {
    if (!run.reject(this.#cancelled())) return;
    run.state.endTrial();
    if (this.#queue.delete(run) || this.#urgent.delete(run)) {
      this.#heldBytes -= run.inputBytes;
      return;
    }
    for (const slot of this.#hosts.slots) {
      const dispatch = slot.outstanding.find((sent) => sent.run === run);
      // The head may run already; then its answer is dropped when it comes.
      if (dispatch && dispatch !== slot.head) this.#skip(slot, dispatch);
    }
  }

  /** The host passes over what it has not begun, and answers for it in its turn. */
  #skip(slot: HostSlot, dispatch: Dispatch): void {
    const number = Buffer.allocUnsafe(8);
    number.writeDoubleLE(dispatch.number, 0);
    slot.process.request(REQUEST.skip, number).catch(() => undefined);
  }

  #fail(run: Run, error: ModelError): void {
    run.state.endTrial();
    if (run.reject(error)) this.#counts.failed++;
  }

  #rejectWaiting(choose: (run: Run) => boolean, error: ModelError): void {
    for (const list of [this.#urgent, this.#queue]) {
      for (const run of list) {
        if (!choose(run)) continue;
        list.delete(run);
        this.#heldBytes -= run.inputBytes;
        this.#fail(run, error);
      }
    }
  }

  #giveUp(error: ModelError): void {
    this.#rejectWaiting(() => true, error);
    this.#preloads.settleAll(error);
  }

  #dropExpired(nowMs: number): void {
    const expired = (run: Run) => nowMs - run.queuedAtMs > this.#limits.maxWaitMs;
    // Both lists are near enough in order of arrival: where the oldest is in time, all are.
    const [urgent, oldest] = [this.#urgent.values().next().value, this.#queue.values().next().value];
    if ((urgent && expired(urgent)) || (oldest && expired(oldest))) {
      this.#rejectWaiting(expired, this.#overloaded("waited too long for an engine host"));
    }
  }

  /** Whether some waiting run could use a host that runs nothing of the models that hold the others up. */
  #wantsSpare(heldUp: ReadonlySet<ModelState>): boolean {
    for (const list of [this.#urgent, this.#queue]) {
      for (const run of list) if (!heldUp.has(run.state)) return true;
    }
    return false;
  }

  #pump(): void {
    if (this.#pumping || this.#closed) return;
    this.#pumping = true;
    try {
      for (const list of [this.#urgent, this.#queue]) if (!this.#placeFrom(list)) return;
      const early = this.#preloads.next(this.#hosts.slots, performance.now(), this.#limits.maxModelBytes);
      if (early) void this.#load(early.slot, early.state);
    } finally {
      this.#pumping = false;
    }
  }

  /** Returns whether runs behind this list may be placed. */
  #placeFrom(list: Set<Run>): boolean {
    for (const run of list) {
      const placement = place(run, this.#hosts.slots, performance.now(), this.#limits);
      if (placement.kind === "wait") return false;
      if (placement.kind === "load") void this.#load(placement.slot, run.state);
      if (placement.kind !== "send") continue;
      list.delete(run);
      this.#send(placement.slot, run);
    }
    return true;
  }

  #send(slot: HostSlot, run: Run): void {
    const { state, timeoutMs, inputBytes } = run;
    const number = ++this.#lastNumber;
    const dispatch: Dispatch = { number, run, state, timeoutMs, inputBytes };
    slot.push(dispatch);
    slot.loaded.get(state)!.usedAtMs = performance.now();
    slot.process.request(REQUEST.run, [runPrefix(state.number, number), ...encodeTensors(run.inputs)]).then(
      (reply) => this.#answered(slot, dispatch, reply),
      // A channel that closed is a death, and `#afterDeath` tells who ran; any other fault is the host's.
      () => slot.kill("protocol"),
    );
  }

  #answered(slot: HostSlot, dispatch: Dispatch, reply: Frame): void {
    if (slot.head !== dispatch) return slot.kill("protocol");
    slot.shift();
    const { run, state } = dispatch;
    if (run) this.#heldBytes -= run.inputBytes;
    try {
      const result = this.#read(slot, state, reply);
      if (result && run?.resolve(result)) this.#counts.completed++;
    } catch (error) {
      if (run) this.#fail(run, error instanceof ModelError ? error : unreadable(error));
    }
    this.#pump();
  }

  #read(slot: HostSlot, state: ModelState, { kind, payload }: Frame): EngineResult | undefined {
    if (kind === REPLY.skipped) return undefined;
    if (kind !== REPLY.done) throw decodeFailure(payload);
    state.recordSuccess(Math.max(0, payload.readDoubleLE(0)));
    const outputs = checkOutputs(state.model.manifest, decodeTensors(payload.subarray(8)));
    return { outputs, ...slot.loaded.get(state)!.execution };
  }

  async #load(slot: HostSlot, state: ModelState): Promise<void> {
    slot.loading = state;
    slot.loadingSinceMs = performance.now();
    try {
      slot.loaded.set(state, await loadInto(slot, state, this.#hosts, this.#limits));
      slot.loading = undefined;
      this.#preloads.settle(state, undefined);
    } catch (error) {
      // Where the host died the death decides; only an answer about the model counts against its runs here.
      if (error instanceof ModelError) {
        slot.loading = undefined;
        state.recordLoadFailure(error, performance.now());
        this.#rejectWaiting((run) => run.state === state, error);
        this.#preloads.settle(state, error);
      } else slot.kill("protocol");
    }
    this.#pump();
  }

  /** A long run holds up those behind it: they go elsewhere. */
  #takeBack(slot: HostSlot): void {
    const [head, ...behind] = slot.outstanding;
    if (head === undefined || slot.process.lastBegun() !== head.number) return;
    for (const dispatch of behind) {
      const { run } = dispatch;
      if (run === undefined) continue;
      dispatch.run = undefined;
      this.#skip(slot, dispatch);
      this.#again(run);
    }
    this.#pump();
  }

  /** Back to the front of the queue: it did no harm and had none; only its waiting time bounds how often. */
  #again(run: Run): void {
    if (run.settled) this.#heldBytes -= run.inputBytes;
    else this.#urgent.add(run);
  }

  #afterDeath(slot: HostSlot): void {
    const nowMs = performance.now();
    const begun = slot.process.lastBegun();
    const guilty = slot.outstanding.find(({ number }) => number === begun);
    const culprit = slot.loading ?? guilty?.state;
    if (slot.killedFor === "timeout") this.#counts.timeouts++;
    else if (slot.killedFor !== "closed") this.#counts.crashes++;
    if (guilty?.run) {
      this.#heldBytes -= guilty.run.inputBytes;
      this.#fail(guilty.run, deathError(slot, guilty));
    }
    for (const { run } of slot.outstanding.splice(0)) {
      if (run && run !== guilty?.run) this.#again(run);
    }
    if (slot.loading) this.#preloads.settle(slot.loading, loadDeathError());
    if (culprit?.recordFailure(nowMs)) {
      const refusal = culprit.refusal(nowMs);
      if (refusal) this.#rejectWaiting((run) => run.state === culprit, refusal);
    }
    this.#pump();
  }
}

function closedError(): ModelError {
  return new ModelError("cancelled", "the engine is closed");
}

function unreadable(cause: unknown): ModelError {
  return new ModelError("output_invalid", "the engine's answer is not readable", { cause });
}
