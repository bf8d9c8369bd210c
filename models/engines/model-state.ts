/** What the pool remembers of a model: how long its runs take, whether it loads, and whether it is to be trusted with a host. */
import { ModelError } from "../errors.ts";
import type { ExecutionProvider } from "../manifest.ts";
import type { LoadedModel } from "./engine.ts";
import type { Limits } from "./options.ts";

const BREAKER_FIRST_MS = 1000;
const BREAKER_MOST_MS = 60_000;
/** A model that failed to load fails at once for this long, rather than being read and sent again for each request. */
const LOAD_FAILURE_KEPT_MS = 5000;
/** A provider that failed a run or its host is left out for this long, where another is configured. */
const PROVIDER_HELD_BACK_MS = 60_000;
/** Weight of the newest run in the running mean. */
const NEWEST = 0.2;

export class ModelState {
  readonly model: LoadedModel;
  /** The model's name in frames. */
  readonly number: number;
  readonly #breakerFailures: number;
  #estimateMs: number | undefined;
  #failures = 0;
  #openUntilMs = 0;
  #trialRunning = false;
  #loadError: ModelError | undefined;
  #loadErrorUntilMs = 0;
  /** Whether it runs on the devices' hosts. */
  readonly wantsDevice: boolean;
  readonly #hasHosts: boolean;
  readonly #providers: readonly ExecutionProvider[];
  readonly #heldBackUntilMs = new Map<ExecutionProvider, number>();

  constructor(
    model: LoadedModel,
    number: number,
    limits: Pick<Limits, "breakerFailures" | "executionProviders" | "devices" | "hosts">,
  ) {
    this.model = model;
    this.number = number;
    this.#breakerFailures = limits.breakerFailures;
    this.#providers = model.manifest.executionProviders ?? limits.executionProviders;
    this.wantsDevice = limits.devices.length > 0 && this.#providers.some((name) => name !== "cpu");
    this.#hasHosts = this.wantsDevice || limits.hosts > 0;
  }

  /** The providers to try now, in order: those configured but for what is held back. Never empty. */
  providers(nowMs: number): ExecutionProvider[] {
    return this.#providers.filter((name) => (this.#heldBackUntilMs.get(name) ?? 0) <= nowMs);
  }

  /** A text for each provider that is held back, as a host gives one for each that it could not use. */
  heldBack(nowMs: number): string[] {
    const held = this.#providers.filter((name) => (this.#heldBackUntilMs.get(name) ?? 0) > nowMs);
    return held.map((name) => `${name}: it failed a run or its host, and is left out for a while`);
  }

  /** When a provider that is held back now is to be tried again; Infinity where none is. */
  retryAtMs(nowMs: number): number {
    return Math.min(...[...this.#heldBackUntilMs.values()].filter((untilMs) => untilMs > nowMs), Infinity);
  }

  /** Leaves out a provider that failed. Returns false, and does nothing, where no other is configured. */
  holdBack(provider: ExecutionProvider, nowMs: number): boolean {
    if (this.providers(nowMs).every((name) => name === provider)) return false;
    this.#heldBackUntilMs.set(provider, nowMs + PROVIDER_HELD_BACK_MS);
    return true;
  }

  get label(): string {
    return `${this.model.manifest.name}/${this.model.manifest.version}`;
  }

  /** Mean length of a run on the engine; undefined before the first. */
  get estimateMs(): number | undefined {
    return this.#estimateMs;
  }

  /**
   * Lets a request in, or says why not. After the breaker's time one trial passes, and decides.
   * @throws ModelError `model_unavailable`, or the failure of a recent load
   */
  admit(nowMs: number): void {
    if (this.#loadError && nowMs < this.#loadErrorUntilMs) throw this.#loadError;
    const refusal = this.refusal(nowMs);
    if (refusal) throw refusal;
    if (this.#failures >= this.#breakerFailures) this.#trialRunning = true;
  }

  /** The error under which requests are refused now; undefined where they are not. */
  refusal(nowMs: number): ModelError | undefined {
    if (!this.#hasHosts)
      return new ModelError(
        "model_unavailable",
        `${this.label}: there are no engine hosts for its providers`,
      );
    if (this.#failures < this.#breakerFailures) return undefined;
    const waitMs = this.#trialRunning ? BREAKER_FIRST_MS : this.#openUntilMs - nowMs;
    if (waitMs <= 0) return undefined;
    const reason = `${this.label} took down ${this.#failures} engine hosts in a row and is held back`;
    return new ModelError("model_unavailable", reason, { retryAfterMs: Math.ceil(waitMs) });
  }

  recordSuccess(durationMs: number): void {
    this.#failures = 0;
    this.#trialRunning = false;
    const known = this.#estimateMs;
    this.#estimateMs = known === undefined ? durationMs : known + NEWEST * (durationMs - known);
  }

  /** The model's run or load hung or killed a host. Returns whether the model is refused from now on. */
  recordFailure(nowMs: number): boolean {
    this.#failures++;
    this.#trialRunning = false;
    const excess = this.#failures - this.#breakerFailures;
    if (excess < 0) return false;
    this.#openUntilMs = nowMs + Math.min(BREAKER_MOST_MS, BREAKER_FIRST_MS * 2 ** Math.min(excess, 16));
    return true;
  }

  /** A trial that neither succeeded nor took a host down says nothing: the next request is the trial. */
  endTrial(): void {
    this.#trialRunning = false;
  }

  recordLoadFailure(error: ModelError, nowMs: number): void {
    this.#trialRunning = false;
    this.#loadError = error;
    this.#loadErrorUntilMs = nowMs + LOAD_FAILURE_KEPT_MS;
  }
}
