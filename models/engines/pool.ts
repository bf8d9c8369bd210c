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
import { Counts } from "./counts.ts";
import { decodeFailure } from "./failure.ts";
import { checkOutputs } from "./graph.ts";
import { Hosts } from "./hosts.ts";
import { loadInto } from "./load.ts";
import { ModelState } from "./model-state.ts";
import { fillOptions } from "./options.ts";
import type { Limits } from "./options.ts";
import { place } from "./placement.ts";
import { closedError, overloadedError, unreadableError } from "./pool-errors.ts";
import { Preloads } from "./preload.ts";
import { blamesProvider, isDeviceFault, isProviderFault } from "./blame.ts";
import { Run } from "./run.ts";
import { RunQueue } from "./run-queue.ts";
import { deathError, loadDeathError } from "./slot.ts";
import type { Dispatch, HostSlot } from "./slot.ts";
import { Usages } from "./usage.ts";
import { decodeTensors, encodeTensors, MAX_TENSORS_BYTES, REPLY, REQUEST, runPrefix } from "./wire.ts";

/** How long a device is left alone that failed to load a model while another of its kind may. */
const DEVICE_REST_MS = 5000;

export class EnginePool implements Engine {
  readonly #limits: Limits;
  readonly #hosts: Hosts;
  readonly #models = new Map<string, ModelState>();
  /** The same by object, sparing a request the key. */
  readonly #known = new WeakMap<LoadedModel, ModelState>();
  readonly #queue = new RunQueue();
  readonly #preloads = new Preloads();
  readonly #usages = new Usages();
  #lastNumber = 0;
  #pumping = false;
  #closed = false;
  readonly #counts = new Counts();

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
    const { size, heldBytes } = this.#queue;
    if (size >= this.#limits.maxQueued || heldBytes + inputBytes > this.#limits.maxHeldBytes) {
      throw this.#overloaded("too many inferences wait");
    }
    const state = this.#stateOf(model);
    state.admit(performance.now());
    const run = new Run(state, inputs, inputBytes, options, (aborted) => this.#abort(aborted));
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
      queued: this.#queue.size,
      heldBytes: this.#queue.heldBytes,
      inFlight: hosts.reduce((sum, host) => sum + host.inFlight, 0),
      hosts,
      ...this.#counts,
      started: this.#hosts.started,
      restarts: this.#hosts.restarts,
      usage: this.#usages.list(),
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
      state = new ModelState(model, this.#models.size + 1, this.#limits);
      this.#models.set(key, state);
    }
    this.#known.set(model, state);
    return state;
  }

  #overloaded(reason: string): ModelError {
    this.#counts.overloaded++;
    const hosts = this.#limits.hosts + this.#limits.devices.length;
    return overloadedError(reason, this.#queue.workMs() / hosts);
  }

  #cancelled(): ModelError {
    this.#counts.cancelled++;
    return new ModelError("cancelled", "the caller went away");
  }

  #abort(run: Run): void {
    if (!run.reject(this.#cancelled())) return;
    run.state.endTrial();
    if (this.#queue.remove(run)) return;
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
    for (const run of this.#queue) {
      if (choose(run) && this.#queue.remove(run)) this.#fail(run, error);
    }
  }

  #giveUp(error: ModelError): void {
    this.#rejectWaiting(() => true, error);
    this.#preloads.settleAll(error);
  }

  #dropExpired(nowMs: number): void {
    const { maxWaitMs } = this.#limits;
    if (!this.#queue.hasWaited(maxWaitMs, nowMs)) return;
    const error = this.#overloaded("waited too long for an engine host");
    this.#rejectWaiting((run) => nowMs - run.queuedAtMs > maxWaitMs, error);
  }

  /** Whether some waiting run could use a host that runs nothing of the models that hold the others up. */
  #wantsSpare(heldUp: ReadonlySet<ModelState>): boolean {
    for (const { state } of this.#queue) if (!state.wantsDevice && !heldUp.has(state)) return true;
    return false;
  }

  #pump(): void {
    if (this.#pumping || this.#closed) return;
    this.#pumping = true;
    try {
      if (this.#placeAll()) {
        const early = this.#preloads.next(this.#hosts.slots, performance.now(), this.#limits.maxModelBytes);
        if (early) void this.#load(early.slot, early.state);
      }
    } finally {
      this.#pumping = false;
    }
  }

  /** Returns whether nothing waits for a host. */
  #placeAll(): boolean {
    const kinds = this.#limits.devices.length > 0 ? 2 : 1;
    const full = new Set<boolean>();
    for (const run of this.#queue) {
      if (full.has(run.state.wantsDevice)) continue;
      const placement = place(run, this.#hosts.slots, performance.now(), this.#limits);
      if (placement.kind === "wait") {
        if (full.add(run.state.wantsDevice).size === kinds) return false;
      } else if (placement.kind === "load") void this.#load(placement.slot, run.state);
      else if (placement.kind === "send") {
        this.#queue.take(run);
        this.#send(placement.slot, run);
      }
    }
    return full.size === 0;
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
    const { run } = dispatch;
    try {
      const result = this.#read(slot, dispatch.state, reply);
      if (run) this.#queue.release(run);
      if (result && run?.resolve(result)) this.#counts.completed++;
    } catch (cause) {
      const error = cause instanceof ModelError ? cause : unreadableError(cause);
      if (isProviderFault(error)) this.#afterProviderFault(slot, dispatch, error);
      else if (run) {
        this.#queue.release(run);
        this.#fail(run, error);
      }
    }
    this.#pump();
  }

  #read(slot: HostSlot, state: ModelState, { kind, payload }: Frame): EngineResult | undefined {
    if (kind === REPLY.skipped) return undefined;
    if (kind !== REPLY.done) throw decodeFailure(payload);
    state.recordSuccess(Math.max(0, payload.readDoubleLE(0)));
    const outputs = checkOutputs(state.model.manifest, decodeTensors(payload.subarray(8)));
    const { execution, usage } = slot.loaded.get(state)!;
    usage.runs++;
    return { outputs, ...execution };
  }

  /** Nobody knows what is left of the device's state: a new host gets a new one. */
  #afterProviderFault(slot: HostSlot, { run, state }: Dispatch, error: ModelError): void {
    const nowMs = performance.now();
    const hasOther = state.holdBack(slot.loaded.get(state)!.placement.provider, nowMs);
    slot.kill("provider");
    if (hasOther) {
      if (run) this.#queue.addAgain(run);
      return;
    }
    if (run) {
      this.#queue.release(run);
      this.#fail(run, error);
    }
    this.#countFailure(state, nowMs);
  }

  #countFailure(state: ModelState, nowMs: number): void {
    const refusal = state.recordFailure(nowMs) ? state.refusal(nowMs) : undefined;
    if (refusal) this.#rejectWaiting((run) => run.state === state, refusal);
  }

  async #load(slot: HostSlot, state: ModelState): Promise<void> {
    slot.loading = state;
    slot.loadingSinceMs = performance.now();
    try {
      const pool = { hosts: this.#hosts, limits: this.#limits, usages: this.#usages };
      slot.loaded.set(state, await loadInto(slot, state, pool));
      slot.loading = undefined;
      this.#preloads.settle(state, undefined);
    } catch (error) {
      // Where the host died the death decides; only an answer about the model counts against its runs here.
      if (error instanceof ModelError) {
        slot.loading = undefined;
        this.#afterLoadFailure(slot, state, error);
      } else slot.kill("protocol");
    }
    this.#pump();
  }

  #afterLoadFailure(slot: HostSlot, state: ModelState, error: ModelError): void {
    const nowMs = performance.now();
    const another = (other: HostSlot) => other !== slot && other.serves(state) && nowMs >= other.restsUntilMs;
    if (slot.device && isDeviceFault(error) && this.#hosts.slots.some(another)) {
      slot.restsUntilMs = nowMs + DEVICE_REST_MS;
      return;
    }
    state.recordLoadFailure(error, nowMs);
    this.#rejectWaiting((run) => run.state === state, error);
    this.#preloads.settle(state, error);
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
      this.#queue.addAgain(run);
    }
    this.#pump();
  }

  #afterDeath(slot: HostSlot): void {
    const nowMs = performance.now();
    const begun = slot.process.lastBegun();
    const guilty = slot.outstanding.find(({ number }) => number === begun);
    const culprit = slot.loading ?? guilty?.state;
    this.#counts.death(slot);
    const spared = culprit !== undefined && blamesProvider(slot, culprit, nowMs);
    for (const { run, number, ...rest } of slot.outstanding.splice(0)) {
      if (run === undefined) continue;
      if (number !== begun || spared) this.#queue.addAgain(run);
      else {
        this.#queue.release(run);
        this.#fail(run, deathError(slot, rest));
      }
    }
    if (culprit && !spared) {
      if (slot.loading) this.#preloads.settle(culprit, loadDeathError());
      this.#countFailure(culprit, nowMs);
    }
    this.#pump();
  }
}
