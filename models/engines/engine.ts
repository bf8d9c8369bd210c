/** What the rest of the service knows of an engine. */
import type { Tensor } from "../../receipts/index.ts";
import type { ModelError } from "../errors.ts";
import type { Adapter } from "../execution.ts";
import type { ExecutionProvider, Manifest } from "../manifest.ts";
import type { Usage } from "./usage.ts";

/** A model that can run: its manifest, the canonical text that `modelId` hashes, and a way to its weights. */
export interface LoadedModel {
  readonly manifest: Manifest;
  readonly manifestText: string;
  readonly modelId: Uint8Array;
  /** The folder of the manifest, where it was read from one. */
  readonly directory?: string;
  /** The weights are kept as ciphertext: each load asks their owner's broker, and writes over its copy once a host has it. */
  readonly sealed?: true;
  /**
   * The weights, digest-checked, from wherever they are kept.
   * @throws ModelError `weights_missing`, `weights_digest_mismatch`; of sealed ones also what `openSealedModel` throws
   */
  weights(): Promise<Uint8Array>;
}

export interface EngineResult {
  /** In the manifest's order; `data` may be a view at any byte offset. */
  outputs: Tensor[];
  /** Exact canonical JSON of the execution record. */
  executionText: string;
  /** SHA-256 of `executionText`. */
  executionDigest: Uint8Array;
}

export interface PreloadFailure {
  model: LoadedModel;
  /** As a run of the model would have thrown. */
  error: ModelError;
}

export interface RunOptions {
  signal?: AbortSignal | undefined;
  /** Longest run on the engine, waiting not counted; the manifest's own limit holds where it is lower. */
  timeoutMs: number;
}

/** A device with an engine host of its own. */
export interface EngineDevice {
  /** For people: in statistics and messages. */
  readonly name: string;
  /** What makes its host see this device and no other, such as `CUDA_VISIBLE_DEVICES`; added to the pool's. */
  readonly environment: Readonly<Record<string, string>>;
}

/** A model in a host. */
export interface LoadedStats {
  /** `name/version` */
  model: string;
  provider: ExecutionProvider;
  adapter: Adapter | null;
  cpuOperations: boolean;
  /** Providers configured before the one used, each with the reason why it was not. */
  skipped: readonly string[];
}

export interface HostStats {
  pid: number | undefined;
  /** Undefined for a host that computes on the CPU alone. */
  device: string | undefined;
  state: "starting" | "idle" | "loading" | "busy";
  /** A host beyond the steady number, started while all others were held up. */
  spare: boolean;
  inFlight: number;
  models: string[];
  loaded: LoadedStats[];
}

export interface EngineStats {
  queued: number;
  /** Bytes of input held for runs that wait or run. */
  heldBytes: number;
  inFlight: number;
  hosts: HostStats[];
  started: number;
  completed: number;
  failed: number;
  cancelled: number;
  overloaded: number;
  timeouts: number;
  crashes: number;
  /** Runs that a provider or its device failed; each took its host along. */
  providerFailures: number;
  /** Hosts that took the place of one that died. */
  restarts: number;
  /** Runs completed, by where they ran. */
  usage: Usage[];
}

export interface Engine {
  /**
   * Runs one inference. The inputs must have passed `checkInputs`; leave them unchanged until it settles.
   *
   * A cancelled run that waits leaves the queue. One that runs cannot be stopped without killing its host, so it goes
   * on to its end or its time limit and its result is dropped; either way the promise rejects at once.
   *
   * @throws ModelError `engine_overloaded`, `model_unavailable`, `engine_timeout`, `engine_crashed`, `engine_failed`,
   *   `engine_provider_unavailable`, `engine_provider_missing`, `engine_library_missing`, `engine_adapter_missing`,
   *   `engine_operation_unsupported`, `engine_provider_failed`, `engine_device_lost`, `graph_invalid`, `graph_mismatch`, `weights_missing`, `weights_digest_mismatch`,
   *   `model_key_refused`, `model_key_unavailable`, `output_invalid`, `output_not_finite`, `output_too_large`, `cancelled`. The message of `engine_failed` may quote
   *   input values: answer it to the caller, keep it out of logs.
   */
  run(model: LoadedModel, inputs: readonly Tensor[], options: RunOptions): Promise<EngineResult>;
  /**
   * Loads each model into a host, one at a time, while no run waits, so that its first run need not. A model that a host
   * holds already counts as loaded; one that finds no room beside the others pushes none out, and one that takes its
   * host down is not tried again. Resolves, once every model was tried, with those that did not load.
   * @throws ModelError `cancelled` where the engine is closed
   */
  preload(models: readonly LoadedModel[]): Promise<PreloadFailure[]>;
  stats(): EngineStats;
  /** Kills every host and waits for it to be gone; what still waits or runs rejects with `cancelled`. */
  close(): Promise<void>;
}

export interface EnginePoolOptions {
  /** Hosts that are kept running, besides those of devices (1). */
  hosts?: number;
  /** Further hosts, started only while every other is held up by a long run, and for other models only (1). */
  spareHosts?: number;
  /** Runs that may wait (1,024). */
  maxQueued?: number;
  /** Bytes of input that waiting and running runs may hold together (256 MiB). */
  maxHeldBytes?: number;
  /** Longest wait in the queue, ms (30,000). */
  maxWaitMs?: number;
  /** Small runs that are sent to a host ahead of time (8). */
  pipelineDepth?: number;
  /** A run longer than this holds its host up, ms (250). */
  stallMs?: number;
  /** Longest load of a model, ms (120,000). */
  loadTimeoutMs?: number;
  /** Weights that one host holds at one time, bytes (2 GiB); the least recently used model leaves first. */
  maxModelBytes?: number;
  /** Resident memory at which a host is killed, bytes (4 GiB); watched on Linux only. */
  maxHostBytes?: number;
  /** Outputs of one run, bytes (64 MiB). */
  maxOutputBytes?: number;
  /**
   * Each has one host; models that list a provider other than the CPU run there alone, all others on the `hosts`. Empty
   * (the default): the `hosts` run every model, on whatever devices they find.
   */
  devices?: readonly EngineDevice[];
  /** For models whose manifest names none; tried in order (`["cpu"]`). */
  executionProviders?: readonly ExecutionProvider[];
  /** Threads inside one run (1). Recorded: outputs are compared under the same number. */
  threads?: number;
  /** The hosts' whole environment; a GPU provider may need library paths in it. */
  environment?: Readonly<Record<string, string>>;
  /** Consecutive timeouts or crashes after which a model is refused for a while (3). */
  breakerFailures?: number;
}
