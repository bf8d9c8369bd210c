/**
 * Background work, kept in the service's PostgreSQL by pg-boss, in a schema of its own: what was accepted outlives every
 * process, and each job is run by one worker at a time. A worker that falls silent loses its job to another one.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { ClientBase, ClientConfig } from "pg";
import type { JobWithMetadata, PgBoss } from "pg-boss";
import { fromBase64, toBase64 } from "../../codec/index.ts";
import { guarded } from "../db/error.ts";
import { claimOne, keepAlive, settle, type Choice, type Settled } from "./claim.ts";
import { JobError, JobFailure } from "./error.ts";
import { JOB_KIND_NAMES, JOB_KINDS, type JobKind } from "./kinds.ts";
import { jobAdministration, JOBS_SCHEMA, type JobAdministration } from "./administration.ts";
import type { PayloadSeal } from "./payload-seal.ts";

/** The largest payload, in bytes, before it is sealed. */
export const MAX_PAYLOAD_BYTES = 16 * 1024 * 1024;

const CONNECTIONS = 4;
/** A worker says so often that it lives, and so long after its last word its jobs are others'. */
const HEARTBEAT_SECONDS = 10;
const HEARTBEAT_REFRESH_SECONDS = 2;
const SUPERVISE_SECONDS = 5;
/** For what no notification tells of: a retry whose time has come, and all where the listener's connection is lost. */
const POLL_SECONDS = 1;
const DAY_SECONDS = 86_400;

export interface JobQueueOptions {
  connection: ClientConfig;
  seal: PayloadSeal;
  /** Something failed that is no job's own fault. */
  onError: (error: unknown) => void;
  /** A try failed with an error that is not a {@link JobFailure}: its code is stored as `internal`. */
  onFailure?: (kind: JobKind, jobId: string, error: unknown) => void;
}

export interface SendOptions {
  /** A UUID of the caller's choice; a second job with it is not stored. */
  id?: string;
  /** The higher ones first; 0 unless told. */
  priority?: number;
  startAfterMs?: number;
  /** For those who choose: see {@link Choice}. In the clear, and not to be believed. */
  group?: string;
  /** Sends in this connection's transaction, so that the job exists exactly where the rest of it does. */
  within?: ClientBase;
}

/** A job in a worker's hands. */
export interface RunningJob {
  id: string;
  payload: Uint8Array;
  /** The payload as it is stored. */
  sealed: Uint8Array;
  /** Tries before this one. */
  retries: number;
  /** Whether a failure now is the last. */
  lastTry: boolean;
  /** Aborts when the job is cancelled, ran out of time, or the worker is to stop. */
  signal: AbortSignal;
}

/** Returns when the job is done. @throws JobFailure with the code that is stored; anything else is stored as `internal` */
export type JobHandler = (job: RunningJob) => Promise<void>;

interface StoredPayload {
  sealed: string;
}

export class JobQueue {
  readonly #boss: PgBoss;
  readonly #options: JobQueueOptions;
  readonly #running = new Map<string, AbortController>();
  /** Work that pg-boss does not know of. */
  readonly #own = new Set<Promise<unknown>>();
  readonly #stopping = new AbortController();
  /** What operators see and do. */
  readonly administration: JobAdministration;
  #closed = false;

  private constructor(boss: PgBoss, options: JobQueueOptions) {
    this.#boss = boss;
    this.#options = options;
    this.administration = jobAdministration(boss, (id) => this.#running.get(id)?.abort());
  }

  /** @throws JobError `jobs_unsupported` (Node below 22.12); DatabaseError */
  static async open(options: JobQueueOptions): Promise<JobQueue> {
    const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
    if (major < 22 || (major === 22 && minor < 12))
      throw new JobError(
        "jobs_unsupported",
        `background jobs need Node 22.12 or newer, this is ${process.versions.node}`,
      );
    const { PgBoss } = await import("pg-boss");
    const boss = new PgBoss({
      ...(options.connection as object),
      schema: JOBS_SCHEMA,
      max: CONNECTIONS,
      schedule: false,
      superviseIntervalSeconds: SUPERVISE_SECONDS,
      monitorIntervalSeconds: SUPERVISE_SECONDS,
      useListenNotify: true,
      openTelemetry: { enabled: false },
    });
    boss.on("error", options.onError);
    await guarded(boss.start());
    for (const kind of JOB_KIND_NAMES) await guarded(createQueue(boss, kind));
    return new JobQueue(boss, options);
  }

  /**
   * Stores a job, sealed. It is committed when this resolves, or with the transaction of `within`.
   * @returns the job's id
   * @throws JobError `jobs_closed`, `job_payload_too_large`; DatabaseError; what the vault throws
   */
  async send(kind: JobKind, payload: Uint8Array, options: SendOptions = {}): Promise<string> {
    if (this.#closed) throw new JobError("jobs_closed", "the queue no longer takes jobs");
    if (payload.length > MAX_PAYLOAD_BYTES)
      throw new JobError("job_payload_too_large", `a job holds at most ${MAX_PAYLOAD_BYTES} bytes`);
    const { id = randomUUID(), priority = 0, startAfterMs, group, within } = options;
    const data: StoredPayload = { sealed: toBase64(await this.#options.seal.seal(kind, id, payload)) };
    await guarded(
      this.#boss.send(kind, data, {
        id,
        priority,
        ...(startAfterMs === undefined ? {} : { startAfter: new Date(Date.now() + startAfterMs) }),
        ...(group === undefined ? {} : { group: { id: group } }),
        ...(within ? { db: { executeSql: (text, values) => within.query(text, values) } } : {}),
      }),
    );
    return id;
  }

  /** Runs jobs of a kind in this process, so many at once, until the queue stops. */
  async work(kind: JobKind, concurrency: number, handler: JobHandler): Promise<void> {
    for (let worker = 0; worker < concurrency; worker++) await this.#workOne(kind, handler);
  }

  async #workOne(kind: JobKind, handler: JobHandler): Promise<void> {
    const options = {
      perJobResults: true,
      includeMetadata: true,
      pollingIntervalSeconds: POLL_SECONDS,
      notifyPollingIntervalSeconds: POLL_SECONDS,
      heartbeatRefreshSeconds: HEARTBEAT_REFRESH_SECONDS,
    } as const;
    const run = async ([job]: JobWithMetadata<StoredPayload>[]) => {
      const result = { id: job!.id, ...(await this.#run(kind, job!, job!.signal, handler)) };
      // Of several jobs that came while this one ran, one notification is left: look again until none waits.
      this.#boss.notifyWorker(workerId);
      return [result];
    };
    const workerId = await guarded(
      this.#boss.work<StoredPayload, unknown, typeof options>(kind, options, run),
    );
  }

  /**
   * Runs jobs of a kind in this process, one after another, by what `choices` says each time: the first that finds one.
   */
  workByChoice(kind: JobKind, choices: () => Choice[], handler: JobHandler): void {
    const { signal } = this.#stopping;
    this.#keep(
      (async () => {
        while (!signal.aborted) {
          const took = await this.#takeFirst(kind, choices(), handler).catch((error: unknown) => {
            this.#options.onError(error);
            return false;
          });
          if (!took) await sleep(POLL_SECONDS * 1000, undefined, { signal }).catch(() => undefined);
        }
      })(),
    );
  }

  /**
   * Runs one job that waits.
   * @returns whether there was one
   * @throws JobError `jobs_closed`; DatabaseError
   */
  async takeOne(kind: JobKind, choice: Choice, handler: JobHandler): Promise<boolean> {
    if (this.#closed) throw new JobError("jobs_closed", "the queue runs no more jobs");
    const job = await claimOne<StoredPayload>(this.#boss, kind, choice);
    if (!job) return false;
    await this.#keep(this.#runClaimed(kind, job, handler));
    return true;
  }

  async #takeFirst(kind: JobKind, choices: Choice[], handler: JobHandler): Promise<boolean> {
    for (const choice of choices)
      if (!this.#closed && (await this.takeOne(kind, choice, handler))) return true;
    return false;
  }

  async #runClaimed(kind: JobKind, job: JobWithMetadata<StoredPayload>, handler: JobHandler): Promise<void> {
    const everyMs = HEARTBEAT_REFRESH_SECONDS * 1000;
    const { lost, stop } = keepAlive(this.#boss, kind, job, { everyMs, onError: this.#options.onError });
    try {
      await settle(this.#boss, kind, job, await this.#run(kind, job, lost, handler));
    } finally {
      stop();
    }
  }

  #keep<T>(work: Promise<T>): Promise<T> {
    const ended: Promise<unknown> = work.catch(() => undefined).finally(() => this.#own.delete(ended));
    this.#own.add(ended);
    return work;
  }

  /**
   * Takes no more jobs, tells those that run to end, and waits for them; what does not end in time is run again elsewhere.
   */
  async stop(timeoutMs = 10_000): Promise<void> {
    this.#closed = true;
    this.#stopping.abort();
    for (const controller of this.#running.values()) controller.abort();
    await Promise.race([Promise.all(this.#own), sleep(timeoutMs, undefined, { ref: false })]);
    await this.#boss.stop({ graceful: true, timeout: timeoutMs });
  }

  async #run(
    kind: JobKind,
    job: JobWithMetadata<StoredPayload>,
    lost: AbortSignal,
    handler: JobHandler,
  ): Promise<Settled> {
    const controller = new AbortController();
    this.#running.set(job.id, controller);
    try {
      const sealed = fromBase64(job.data.sealed);
      await handler({
        id: job.id,
        payload: await this.#options.seal.open(kind, job.id, sealed),
        sealed,
        retries: job.retryCount,
        lastTry: job.retryCount >= job.retryLimit,
        signal: AbortSignal.any([lost, controller.signal]),
      });
      return { status: "completed" };
    } catch (error) {
      const known = error instanceof JobFailure;
      if (!known) this.#options.onFailure?.(kind, job.id, error);
      const status = known && !error.retry ? "deadletter" : "failed";
      return { status, output: { code: known ? error.code : "internal" } };
    } finally {
      this.#running.delete(job.id);
    }
  }
}

async function createQueue(boss: PgBoss, kind: JobKind): Promise<void> {
  const plan = JOB_KINDS[kind];
  const options = {
    retryLimit: plan.retries,
    retryDelay: Math.ceil(plan.retryDelayMs / 1000),
    retryDelayMax: Math.ceil(plan.longestRetryDelayMs / 1000),
    retryBackoff: true,
    expireInSeconds: Math.ceil(plan.timeoutMs / 1000),
    heartbeatSeconds: HEARTBEAT_SECONDS,
    /** A failed job is what a person may want to read; a done one is kept a day, for `jobs show`. */
    retentionSeconds: 30 * DAY_SECONDS,
    deleteAfterSeconds: 7 * DAY_SECONDS,
    notify: true,
  };
  await boss.createQueue(kind, options);
  await boss.updateQueue(kind, options);
}
