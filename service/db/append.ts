/**
 * The durable append. Whatever waits while one transaction is under way goes into the next one together, so that a disk that
 * flushes 400 times a second can take thousands of statements, and a lone statement waits for nothing but its own flush.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { ClientConfig } from "pg";
import { AppendSession, type Pending, type Seen } from "./append-session.ts";
import type { AppendItem } from "./append-statement.ts";
import { DatabaseError, isTransient, sqlStateOf, toDatabaseError } from "./error.ts";

export interface AppenderOptions {
  connection: ClientConfig;
  /** Most appends that wait, and most bytes they hold; more are refused. */
  queueLength?: number;
  queueBytes?: number;
  /** How long an append waits for a database that is away. */
  timeoutMs?: number;
  onEvent?: (event: AppenderEvent) => void;
}

export type AppenderEvent =
  | { kind: "connected" }
  | { kind: "lost"; error: DatabaseError }
  | { kind: "committed"; count: number; elapsedMs: number };

export interface Appender {
  /**
   * Resolves with the leaf index once the statement is committed and flushed.
   * @throws DatabaseError `append_queue_full`, `append_closed`, `append_invalid` at once; `request_id_taken`, `statement_exists`,
   *   `idempotency_lost`, `allowance_fenced`: not stored, for this caller alone; `database_unavailable`: not stored; `append_outcome_unknown`: it may
   *   or may not be stored, and the statement must not be released; `log_fenced`, `log_corrupt`, `database_failed`
   */
  append(item: AppendItem): Promise<bigint>;
  waiting(): number;
  /** Finishes what waits, then disconnects. */
  close(): Promise<void>;
}

const BATCH_ITEMS = 1024;
const BATCH_BYTES = 16 * 1024 * 1024;
const FIRST_RETRY_MS = 20;
const LONGEST_RETRY_MS = 500;
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

interface Waiting extends Pending {
  bytes: number;
  /** What two appends of one batch must not share. */
  keys: string[];
  deadline: number;
}

function sizeOf({ statement, documents, idempotency }: AppendItem): number {
  const papers = documents?.reduce((sum, { bytes }) => sum + bytes.length, 0) ?? 0;
  return (
    1024 +
    statement.words.length +
    (statement.sealedExtra?.length ?? 0) +
    papers +
    (idempotency?.ciphertext.length ?? 0)
  );
}

/** Shapes that the database would refuse, and with them the whole batch. */
function checkItem({ statement: row, documents, idempotency, allowance }: AppendItem): void {
  const lengths = [
    row.digest,
    row.keysetDigest,
    row.requestId,
    row.modelId,
    idempotency?.keyHash,
    allowance,
    ...(documents ?? []).map(({ digest }) => digest),
  ];
  const ids = [row.tenantId, row.accountId, row.apiKeyId, idempotency?.tenantId, idempotency?.accountId];
  const wellFormed =
    lengths.every((bytes) => bytes === null || bytes === undefined || bytes.length === 32) &&
    row.signature.length === 65 &&
    ids.every((id) => id === null || id === undefined || UUID.test(id));
  if (!wellFormed) throw new DatabaseError("append_invalid", "an id, digest or signature has the wrong form");
}

function keysOf({ statement, idempotency }: AppendItem): string[] {
  const keys = ["d" + textOf(statement.digest)];
  if (statement.requestId) keys.push("r" + textOf(statement.requestId));
  if (idempotency)
    keys.push("i" + idempotency.tenantId + idempotency.accountId + textOf(idempotency.keyHash));
  return keys;
}

/** A character a byte: half as long as hex. */
function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

class BatchingAppender implements Appender {
  readonly #options: Required<
    Pick<AppenderOptions, "connection" | "queueLength" | "queueBytes" | "timeoutMs" | "onEvent">
  >;
  #queue: Waiting[] = [];
  #queueBytes = 0;
  #session: AppendSession | undefined;
  #seen: Seen | undefined;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(options: AppenderOptions) {
    this.#options = {
      queueLength: 4096,
      queueBytes: 256 * 1024 * 1024,
      timeoutMs: 10_000,
      onEvent: () => {},
      ...options,
    };
  }

  waiting(): number {
    return this.#queue.length;
  }

  append(item: AppendItem): Promise<bigint> {
    return new Promise<bigint>((resolve, reject) => {
      checkItem(item);
      const bytes = sizeOf(item);
      if (this.#closed) throw new DatabaseError("append_closed", "the service is stopping");
      if (
        this.#queue.length >= this.#options.queueLength ||
        this.#queueBytes + bytes > this.#options.queueBytes
      ) {
        throw new DatabaseError("append_queue_full", "too many statements wait for the database");
      }
      const deadline = performance.now() + this.#options.timeoutMs;
      this.#queue.push({ item, bytes, keys: keysOf(item), deadline, sent: false, resolve, reject });
      this.#queueBytes += bytes;
      this.#running ??= this.#run();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
    await this.#session?.close();
  }

  async #run(): Promise<void> {
    // Everything that this turn of the event loop still brings goes into the first batch.
    await new Promise((next) => setImmediate(next));
    while (this.#queue.length > 0) await this.#commit(this.#take());
    this.#running = undefined;
  }

  #take(): Waiting[] {
    const batch: Waiting[] = [];
    const later: Waiting[] = [];
    const keys = new Set<string>();
    let bytes = 0;
    for (const waiting of this.#queue) {
      const fits = batch.length === 0 || (batch.length < BATCH_ITEMS && bytes + waiting.bytes <= BATCH_BYTES);
      if (!fits || waiting.keys.some((key) => keys.has(key))) {
        later.push(waiting);
        continue;
      }
      for (const key of waiting.keys) keys.add(key);
      bytes += waiting.bytes;
      batch.push(waiting);
    }
    this.#queue = later;
    this.#queueBytes -= bytes;
    return batch;
  }

  /** Tries until each of the batch is settled: stored, refused, or out of time. */
  async #commit(batch: Waiting[]): Promise<void> {
    const open = new Set(batch);
    for (const waiting of batch) {
      const { resolve, reject } = waiting;
      waiting.resolve = (leafIndex) => (open.delete(waiting), resolve(leafIndex));
      waiting.reject = (error) => (open.delete(waiting), reject(error));
    }
    for (let retryMs = FIRST_RETRY_MS; open.size > 0; retryMs = Math.min(2 * retryMs, LONGEST_RETRY_MS)) {
      const failure = await this.#attempt([...open]);
      if (failure === undefined) continue;
      if (isTransient(failure)) {
        await this.#drop(toDatabaseError(failure));
        await sleep(retryMs);
        this.#expire(open);
      } else if (open.size > 1 && isDataError(failure)) {
        await this.#halve([...open]);
      } else {
        await this.#refuse(open, failure);
      }
    }
  }

  async #attempt(batch: Waiting[]): Promise<unknown> {
    try {
      const begun = performance.now();
      const session = await this.#connected();
      await session.attempt(batch);
      this.#seen = session.seen;
      this.#options.onEvent({ kind: "committed", count: batch.length, elapsedMs: performance.now() - begun });
      return undefined;
    } catch (error) {
      return error ?? new Error("unknown failure");
    }
  }

  async #connected(): Promise<AppendSession> {
    if (this.#session && !this.#session.lost) return this.#session;
    await this.#session?.close();
    this.#session = await AppendSession.connect(
      this.#options.connection,
      this.#options.timeoutMs,
      this.#seen,
    );
    this.#options.onEvent({ kind: "connected" });
    return this.#session;
  }

  async #drop(error: DatabaseError): Promise<void> {
    if (this.#session) this.#options.onEvent({ kind: "lost", error });
    await this.#session?.close();
    this.#session = undefined;
  }

  /** One row that the database will not take must not fail the others: find it by halves. */
  async #halve(batch: Waiting[]): Promise<void> {
    const middle = Math.ceil(batch.length / 2);
    await this.#commit(batch.slice(0, middle));
    await this.#commit(batch.slice(middle));
  }

  async #refuse(open: Set<Waiting>, failure: unknown): Promise<void> {
    let error: DatabaseError;
    try {
      error = toDatabaseError(failure);
    } catch {
      error = new DatabaseError("database_failed", `the append failed: ${(failure as Error).name}`);
    }
    await this.#drop(error);
    for (const waiting of open) waiting.reject(waiting.sent ? unknownOutcome() : error);
  }

  #expire(open: Set<Waiting>): void {
    const now = performance.now();
    for (const waiting of open)
      if (waiting.deadline <= now) waiting.reject(waiting.sent ? unknownOutcome() : unavailable());
    const expired = this.#queue.filter(({ deadline }) => deadline <= now);
    if (expired.length === 0) return;
    this.#queue = this.#queue.filter(({ deadline }) => deadline > now);
    for (const waiting of expired) {
      this.#queueBytes -= waiting.bytes;
      waiting.reject(unavailable());
    }
  }
}

function isDataError(error: unknown): boolean {
  return /^(22|23|54)/.test(sqlStateOf(error) ?? "");
}

function unavailable(): DatabaseError {
  return new DatabaseError(
    "database_unavailable",
    "the database cannot be reached; the statement was not stored",
  );
}

function unknownOutcome(): DatabaseError {
  return new DatabaseError("append_outcome_unknown", "the database went away while it stored the statement");
}

export function createAppender(options: AppenderOptions): Appender {
  return new BatchingAppender(options);
}
