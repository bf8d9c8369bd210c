/** One Python prover: a child process that does one operation at a time, watched and killed from here. */
import { spawn, type ChildProcessWithoutNullStreams } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { ProofError } from "../error.ts";

const SCRIPT = fileURLToPath(new URL("./worker.py", import.meta.url));
const WATCH_EVERY_MS = 100;
const START_TIMEOUT_MS = 30_000;
const MAX_COMPLAINT = 4000;
/** Code, libraries and thread stacks are address space that is never resident. */
const ADDRESS_SPACE_SLACK = 4 * 2 ** 30;

export interface WorkerLimits {
  /** Resident memory beyond which it is killed. */
  memoryBytes: number;
  /** How much lower than its parent's its priority is: 0 to 19. */
  nice: number;
}

export interface Run {
  operation: string;
  request: Record<string, unknown>;
  timeoutMs: number;
  signal?: AbortSignal | undefined;
  onStage?: ((stage: string) => void) | undefined;
}

export interface Answer {
  result: unknown;
  stagesMs: Record<string, number>;
  peakMemoryBytes: number;
}

interface Message {
  id?: number;
  ready?: boolean;
  stage?: string;
  result?: unknown;
  error?: string;
  memory?: boolean;
  /** It ends after this answer. */
  ending?: boolean;
  stagesMs?: Record<string, number>;
  peakMemoryBytes?: number;
}

interface Pending {
  id: number;
  onStage: ((stage: string) => void) | undefined;
  resolve(answer: Answer): void;
  reject(error: ProofError): void;
}

export class Worker {
  /** Resolves once the process is gone; a worker that is gone does nothing more. */
  readonly gone: Promise<void>;
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #memoryBytes: number;
  readonly #started: Promise<void>;
  #complaint = "";
  #pending: Pending | undefined;
  #nextId = 1;
  #isEnding = false;
  /** Why it was killed from here. */
  #killedFor: ProofError | undefined;

  constructor(python: string, { memoryBytes, nice }: WorkerLimits) {
    this.#memoryBytes = memoryBytes;
    const limits = JSON.stringify({ addressSpaceBytes: memoryBytes + ADDRESS_SPACE_SLACK, nice });
    this.#child = spawn(python, ["-u", SCRIPT, limits], {
      // One core each: more workers are more proofs, more threads are slower ones.
      // EZKL panics without a HOME, and would keep files there.
      env: { RAYON_NUM_THREADS: "1", PYTHONDONTWRITEBYTECODE: "1", HOME: dirname(dirname(python)) },
      stdio: ["pipe", "pipe", "pipe"],
      windowsHide: true,
    });
    this.#child.stdin.on("error", () => {});
    this.#child.stderr.on("data", (part: Buffer) => {
      this.#complaint = (this.#complaint + part.toString("utf8")).slice(-MAX_COMPLAINT);
    });
    this.gone = new Promise((resolve) => {
      this.#child.once("error", (cause) => this.#end(cause, resolve));
      this.#child.once("close", () => this.#end(undefined, resolve));
    });
    this.#started = new Promise((resolve) => {
      createInterface({ input: this.#child.stdout }).on("line", (line) => this.#hear(line, resolve));
    });
  }

  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** Whether it was killed or told to end. */
  get isEnding(): boolean {
    return this.#isEnding || this.#killedFor !== undefined || this.#child.stdin.writableEnded;
  }

  /**
   * Does one operation. Whatever goes wrong but a refusal in words costs the worker its life.
   * @throws ProofError `prover_failed`, `prover_timeout`, `prover_memory`, `prover_disk_full`, `prover_crashed`, `cancelled`
   */
  async run({ operation, request, timeoutMs, signal, onStage }: Run): Promise<Answer> {
    if (signal?.aborted) throw new ProofError("cancelled", "the operation was cancelled");
    const timers = [
      setTimeout(() => this.kill("prover_timeout", `no end after ${timeoutMs} ms`), timeoutMs),
      setInterval(() => this.#watchMemory(), WATCH_EVERY_MS),
    ];
    const cancel = () => this.kill("cancelled", "the operation was cancelled");
    signal?.addEventListener("abort", cancel, { once: true });
    try {
      return await new Promise<Answer>((resolve, reject) => {
        const id = this.#nextId++;
        this.#pending = { id, onStage, resolve, reject };
        this.#child.stdin.write(`${JSON.stringify({ ...request, id, operation })}\n`);
        if (this.#child.exitCode !== null || this.#child.signalCode !== null) this.#fail();
      });
    } finally {
      this.#pending = undefined;
      for (const timer of timers) clearTimeout(timer);
      signal?.removeEventListener("abort", cancel);
    }
  }

  /** Waits until its interpreter is up. @throws ProofError `prover_crashed` */
  async start(): Promise<void> {
    const timer = setTimeout(() => this.kill("prover_timeout", "the prover did not start"), START_TIMEOUT_MS);
    try {
      await Promise.race([this.#started, this.gone.then(() => Promise.reject(this.#death()))]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** SIGKILL: nothing else reaches a proof under way. */
  kill(code: "prover_timeout" | "prover_memory" | "cancelled", message: string): void {
    this.#killedFor ??= new ProofError(code, message);
    this.#child.kill("SIGKILL");
  }

  /** Lets an idle worker end. */
  end(): void {
    this.#child.stdin.end();
  }

  #hear(line: string, started: () => void): void {
    let message: Message;
    try {
      message = JSON.parse(line) as Message;
    } catch {
      this.kill("prover_timeout", "the prover does not speak its protocol");
      return;
    }
    if (message.ready) started();
    if (message.ending) this.#isEnding = true;
    const pending = this.#pending;
    if (!pending || message.id !== pending.id) return;
    if (message.stage !== undefined) pending.onStage?.(message.stage);
    else if (message.error !== undefined) pending.reject(refusal(message.error, message.memory ?? false));
    else {
      const { result, stagesMs = {}, peakMemoryBytes = 0 } = message;
      pending.resolve({ result, stagesMs, peakMemoryBytes });
    }
  }

  #watchMemory(): void {
    const resident = this.pid === undefined ? undefined : residentBytes(this.pid);
    if (resident !== undefined && resident > this.#memoryBytes)
      this.kill("prover_memory", `the proof needs more than ${this.#memoryBytes} bytes of memory`);
  }

  #death(): ProofError {
    if (this.#killedFor) return this.#killedFor;
    const complaint = withoutValues(this.#complaint.trim());
    if (/memory allocation of|MemoryError/.test(complaint))
      return new ProofError("prover_memory", "the prover ran out of memory");
    const { exitCode, signalCode } = this.#child;
    return new ProofError("prover_crashed", `the prover ended (${signalCode ?? exitCode}): ${complaint}`);
  }

  #fail(): void {
    this.#pending?.reject(this.#death());
  }

  #end(cause: Error | undefined, resolve: () => void): void {
    if (cause) this.#killedFor ??= new ProofError("prover_crashed", cause.message, { cause });
    this.#fail();
    resolve();
  }
}

/** What the library says may quote values of an input, and these words reach logs. */
function withoutValues(words: string): string {
  return words.replaceAll(/0x[0-9a-f]+|[0-9a-f]{16,}|\d[\d_.,]{2,}/gi, "…").slice(-500);
}

function refusal(words: string, memory: boolean): ProofError {
  if (memory || /memory allocation|Cannot allocate memory/.test(words))
    return new ProofError("prover_memory", "the prover ran out of memory");
  if (/No space left on device|os error 28|Errno 28/.test(words))
    return new ProofError("prover_disk_full", "no space left where the prover writes");
  return new ProofError("prover_failed", withoutValues(words));
}

/** Undefined where the system does not say. */
function residentBytes(pid: number): number | undefined {
  if (process.platform !== "linux") return undefined;
  try {
    const status = readFileSync(`/proc/${pid}/status`, "latin1");
    const found = /^VmRSS:\s*(\d+) kB/m.exec(status);
    return found ? Number(found[1]) * 1024 : undefined;
  } catch {
    return undefined;
  }
}
