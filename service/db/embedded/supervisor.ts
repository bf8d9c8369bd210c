/** Keeps one server running while the service lives: reports a crash, starts it again with growing pauses, stops it once. */
import { setTimeout as sleep } from "node:timers/promises";
import type { DirectoryLock } from "./lock.ts";
import type { Program } from "./program.ts";

export type EmbeddedEvent =
  | { kind: "initialised"; elapsedMs: number }
  | { kind: "orphan_stopped" }
  | { kind: "ready"; pid: number; elapsedMs: number }
  | { kind: "crashed"; code: number | null; signal: string | null; tail: string[] }
  | { kind: "restart_failed"; message: string; retryMs: number }
  | { kind: "log"; line: string };

export interface Connection {
  host: string;
  port: number;
  user: string;
  password: string;
  database: string;
  /** Said outright: the driver would otherwise ask the environment. */
  ssl: false;
}

export interface EmbeddedServer {
  /** The service's own role and database: owner of its tables, no superuser. */
  readonly connection: Connection;
  /** Superuser: for backups and tests. */
  readonly administration: Connection;
  /** Process id of the running server; undefined between a crash and the restart. */
  pid(): number | undefined;
  /** Ends sessions, writes a checkpoint, stops the server and gives the data directory free. */
  stop(): Promise<void>;
}

const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 5000;

export class Supervisor implements EmbeddedServer {
  readonly connection: Connection;
  readonly administration: Connection;
  readonly #start: () => Promise<Program>;
  readonly #lock: DirectoryLock;
  readonly #report: (event: EmbeddedEvent) => void;
  readonly #stopTimeoutMs: number;
  #program: Program | undefined;
  #stopping = false;
  #stopped: Promise<void> | undefined;
  readonly #wake = new AbortController();
  #watching: Promise<void> = Promise.resolve();
  readonly #onExit = () => void this.#program?.child.kill("SIGINT");

  constructor(
    connections: { connection: Connection; administration: Connection },
    start: () => Promise<Program>,
    lock: DirectoryLock,
    options: { report: (event: EmbeddedEvent) => void; stopTimeoutMs: number },
  ) {
    this.connection = connections.connection;
    this.administration = connections.administration;
    this.#start = start;
    this.#lock = lock;
    this.#report = options.report;
    this.#stopTimeoutMs = options.stopTimeoutMs;
  }

  pid(): number | undefined {
    return this.#program?.child.pid;
  }

  async begin(): Promise<void> {
    this.#program = await this.#start();
    process.on("exit", this.#onExit);
    this.#watching = this.#watch();
  }

  async #watch(): Promise<void> {
    while (this.#program) {
      const { code, signal } = await this.#program.exited;
      const { tail } = this.#program;
      this.#program = undefined;
      if (this.#stopping) return;
      this.#report({ kind: "crashed", code, signal, tail });
      await this.#restart();
    }
  }

  async #restart(): Promise<void> {
    for (let retryMs = FIRST_RETRY_MS; !this.#stopping; retryMs = Math.min(2 * retryMs, LONGEST_RETRY_MS)) {
      try {
        this.#program = await this.#start();
        return;
      } catch (error) {
        this.#report({ kind: "restart_failed", message: (error as Error).message, retryMs });
      }
      await sleep(retryMs, undefined, { signal: this.#wake.signal }).catch(() => {});
    }
  }

  stop(): Promise<void> {
    this.#stopped ??= this.#end();
    return this.#stopped;
  }

  async #end(): Promise<void> {
    this.#stopping = true;
    this.#wake.abort();
    // A restart under way ends on its own; a server that it brings up meanwhile is stopped like any other.
    const force = setTimeout(() => this.#program?.child.kill("SIGQUIT"), this.#stopTimeoutMs);
    const kill = setTimeout(() => this.#program?.child.kill("SIGKILL"), this.#stopTimeoutMs + 5000);
    const ask = setInterval(() => this.#program?.child.kill("SIGINT"), 1000);
    this.#program?.child.kill("SIGINT");
    await this.#watching;
    for (const timer of [force, kill, ask]) clearTimeout(timer);
    process.off("exit", this.#onExit);
    this.#lock.release();
  }
}
