/** One worker: is admitted, waits for a task, proves, says so, and waits again, until it is told to stop. */
import { setTimeout as sleep } from "node:timers/promises";
import { toHex } from "../../codec/index.ts";
import { ProofError, type CircuitStore, type ProofSystem, type ProveStage } from "../../proofs/index.ts";
import { decodePayload } from "../assurance/payload.ts";
import { WORKER_FAILURES, type WorkerReport } from "../workers/report.ts";
import type { WorkerTask } from "../workers/index.ts";
import type { Admission } from "./admission.ts";
import { ConnectionError, type Connection } from "./connection.ts";

/** The service gives a task to another after fifteen seconds of silence. */
const REPORT_MS = 3000;
const FIRST_PAUSE_MS = 1000;
const LONGEST_PAUSE_MS = 30_000;

/** What no waiting mends: a person has to. */
const FATAL = new Set([
  "unauthenticated",
  "api_key_invalid",
  "scope_missing",
  "worker_refused",
  "worker_circuits_missing",
  "vault_worker_policy_missing",
  "jobs_unsupported",
  "route_not_found",
]);

export interface WorkParts {
  connection: Connection;
  circuits: Pick<CircuitStore, "get" | "list">;
  system: Pick<ProofSystem, "prove">;
  /** Undefined for a worker that shows no evidence. */
  admission: ((nonce: Uint8Array) => Promise<Admission>) | undefined;
  onAdmitted: () => void;
  onEvent: (event: WorkEvent) => void;
}

export type WorkEvent =
  | { kind: "task"; jobId: string; circuitId: string }
  | { kind: "ended"; jobId: string; outcome: string }
  | { kind: "trouble"; code: string; message: string };

/**
 * @returns when `signal` aborts
 * @throws ConnectionError where the service will not have this worker
 */
export async function workElsewhere(parts: WorkParts, signal: AbortSignal): Promise<void> {
  let pauseMs = FIRST_PAUSE_MS;
  while (!signal.aborted) {
    try {
      await beOneWorker(parts, signal, () => (pauseMs = FIRST_PAUSE_MS));
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof ConnectionError) || FATAL.has(error.code)) throw error;
      // An admission ends as a matter of course, and is no trouble.
      const isOver = error.code === "worker_session_unknown";
      if (!isOver) parts.onEvent({ kind: "trouble", code: error.code, message: error.message });
      const waitMs = error.retryAfterMs ?? (isOver ? FIRST_PAUSE_MS : pauseMs);
      await sleep(waitMs, undefined, { signal }).catch(() => undefined);
      if (!isOver) pauseMs = Math.min(2 * pauseMs, LONGEST_PAUSE_MS);
    }
  }
}

/** One admission and its tasks. */
async function beOneWorker(parts: WorkParts, signal: AbortSignal, onWell: () => void): Promise<void> {
  const { connection, circuits } = parts;
  const admission = parts.admission && (await show(parts.admission, await connection.challenge(signal)));
  const ids = circuits.list().map(({ circuit }) => toHex(circuit.circuitId));
  const { id } = await connection.begin({ circuits: ids, evidence: admission?.evidence }, signal);
  parts.onAdmitted();
  onWell();
  try {
    while (!signal.aborted) {
      const task = await connection.next(id, signal);
      if (task) await workOn(parts, id, task, admission, signal);
    }
  } finally {
    // The service finds out by itself where it is not told.
    if (signal.aborted) await connection.end(id).catch(() => undefined);
  }
}

async function show(admission: (nonce: Uint8Array) => Promise<Admission>, nonce: Uint8Array) {
  try {
    return await admission(nonce);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : "no reason is known";
    throw new ConnectionError("evidence_unavailable", `no evidence can be shown: ${why}`, { cause });
  }
}

async function workOn(
  parts: WorkParts,
  id: string,
  task: WorkerTask,
  admission: Admission | undefined,
  stopping: AbortSignal,
): Promise<void> {
  const circuitId = toHex(task.circuitId);
  parts.onEvent({ kind: "task", jobId: task.jobId, circuitId });
  const over = new AbortController();
  const signal = AbortSignal.any([over.signal, stopping]);
  const telling = keepTelling(parts.connection, id, task, over);
  const report = await proveTask(parts, task, admission, telling.at, signal);
  telling.stop();
  const isOver = over.signal.aborted || (await parts.connection.report(id, task.id, report, stopping));
  const outcome = report.kind === "failure" ? report.code : isOver ? "sent" : "unasked";
  parts.onEvent({ kind: "ended", jobId: task.jobId, outcome: over.signal.aborted ? "not wanted" : outcome });
}

/** Says how far it is, and stops where nobody waits for it any more. */
function keepTelling(
  connection: Connection,
  id: string,
  task: WorkerTask,
  over: AbortController,
): { at(stage: ProveStage): void; stop(): void } {
  let stage: ProveStage = "queued";
  const tell = async () => {
    try {
      const ended = await connection.report(id, task.id, { kind: "progress", stage }, over.signal);
      if (ended) over.abort();
    } catch (error) {
      // A word that did not arrive is said again; one that it no longer knows the task, is the end of it.
      if (error instanceof ConnectionError && error.code === "worker_session_unknown") over.abort();
    }
  };
  const timer = setInterval(() => void tell(), REPORT_MS);
  return {
    at(next) {
      stage = next;
      void tell();
    },
    stop: () => clearInterval(timer),
  };
}

async function proveTask(
  { circuits, system }: WorkParts,
  task: WorkerTask,
  admission: Admission | undefined,
  onProgress: (stage: ProveStage) => void,
  signal: AbortSignal,
): Promise<WorkerReport> {
  const circuit = circuits.get(task.circuitId);
  if (!circuit) return { kind: "failure", code: "circuit_not_found" };
  const opened = await (admission ? admission.open(task) : "clear" in task.payload && task.payload.clear);
  if (!opened) return { kind: "failure", code: "payload_unreadable" };
  try {
    const { inputs, sCircuit } = decodePayload(opened);
    const { timeoutMs } = task;
    const made = await system.prove({ circuit, inputs, sCircuit: sCircuit!, timeoutMs, signal, onProgress });
    return { kind: "proof", parts: { proof: made.proof, instances: made.instances } };
  } catch (error) {
    if (!(error instanceof ProofError)) return { kind: "failure", code: "payload_unreadable" };
    const code = WORKER_FAILURES.find((known) => known === error.code);
    return {
      kind: "failure",
      code: error.code === "cancelled" ? "worker_stopped" : (code ?? "prover_failed"),
    };
  }
}
