/**
 * Workers elsewhere: they come by HTTP, see what their evidence lets them see, and hold a job only while they say that they live.
 * The job itself stays this service's, with its tries, its cancellation and its deadline, and nothing that a worker says of it
 * is believed: its proof is verified here.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { equal, toHex, utf8 } from "../../codec/index.ts";
import {
  checkProof,
  ProofError,
  readInstances,
  type ProveRequest,
  type ProveResult,
} from "../../proofs/index.ts";
import { VaultError } from "../../vault/index.ts";
import { INPUT_GROUPS, prove, type ProofThread, type ProvingParts } from "../assurance/index.ts";
import { decodePayload } from "../assurance/index.ts";
import { DEFAULT_TENANT, documentOf } from "../db/index.ts";
import { JobFailure } from "../jobs/error.ts";
import type { JobQueue, RunningJob } from "../jobs/index.ts";
import { appendOwn } from "../own-statement.ts";
import { ServiceError } from "../problem.ts";
import type { Account } from "../services.ts";
import { RemoteTask } from "./remote-task.ts";
import type { RawProofParts, WorkerReport } from "./report.ts";
import { WorkerSession, type Attested } from "./worker-session.ts";

const MAX_SESSIONS = 256;
/** Of a worker without evidence; one with evidence has the vault's. */
const SESSION_MS = 600_000;
/** A request for a task waits so long for one. */
const WAIT_MS = 20_000;
const LOOK_MS = 500;
const VERIFYING_LOOK_MS = 50;
/** An account whose worker sent a wrong proof, or failed again and again, gets nothing for so long. */
const PAUSE_MS = 600_000;

export interface WorkersParts extends Omit<ProvingParts, "system"> {
  jobs: Pick<JobQueue, "takeOne">;
  thread: ProofThread;
  /** Ids of the circuits in use: 32 bytes each. */
  circuitsInUse: () => Uint8Array[];
  nowMs: () => number;
}

/** What a worker says of itself. */
export interface Introduction {
  /** Ids of the circuits that it has, in hex. */
  circuits: readonly string[];
  evidence: ShownEvidence | undefined;
}

export interface ShownEvidence {
  nonce: Uint8Array;
  hpkeKey: Uint8Array;
  type: string;
  quote: Uint8Array;
  /** JSON text. */
  endorsements: string;
}

export interface WorkerTask {
  id: string;
  jobId: string;
  circuitId: Uint8Array;
  timeoutMs: number;
  /** The job's payload as it is stored, with its key sealed to the worker; or in the clear, where its input is public. */
  payload: { sealed: Uint8Array; sealedKey: Uint8Array } | { clear: Uint8Array };
}

type Offer = PromiseWithResolvers<WorkerTask | undefined>;

export class WorkerSessions {
  readonly #parts: WorkersParts;
  readonly #sessions = new Map<string, WorkerSession>();
  readonly #pausedUntilMs = new Map<string, number>();

  constructor(parts: WorkersParts) {
    this.#parts = parts;
  }

  /** How many are admitted now. */
  get admitted(): number {
    this.#drop();
    return this.#sessions.size;
  }

  /** @throws ServiceError `scope_missing`, `worker_paused`; VaultError `worker_policy_missing`, `busy` */
  async challenge(account: Account): Promise<{ nonce: Uint8Array; expiresAtMs: number }> {
    this.#admissible(account);
    const { nonce, expiresAtMs } = await this.#vault().drawWorkerChallenge();
    return { nonce, expiresAtMs: Number(expiresAtMs) };
  }

  /**
   * @throws ServiceError `scope_missing`, `worker_paused`, `worker_limit`, `worker_circuits_missing`, `worker_refused` (with the
   *   appraisal's code); VaultError `worker_policy_missing`, `worker_challenge_unknown`, `worker_challenge_expired`, `busy`
   */
  async begin(account: Account, { circuits, evidence }: Introduction): Promise<WorkerSession> {
    this.#admissible(account);
    this.#drop();
    if (this.#sessions.size >= MAX_SESSIONS) throw new ServiceError("worker_limit");
    const missing = this.#parts
      .circuitsInUse()
      .map(toHex)
      .filter((id) => !circuits.includes(id));
    if (missing.length > 0)
      throw new ServiceError("worker_circuits_missing", `the worker lacks ${missing.slice(0, 8).join(", ")}`);
    const admitted = evidence && (await this.#admit(evidence));
    const expiresAtMs = admitted?.expiresAtMs ?? this.#parts.nowMs() + SESSION_MS;
    const session = new WorkerSession(account, admitted?.attested, expiresAtMs);
    this.#sessions.set(session.id, session);
    return session;
  }

  /**
   * Waits for a job that the worker may see.
   * @returns undefined where none came in twenty seconds
   * @throws ServiceError `scope_missing`, `worker_paused`, `worker_session_unknown` (also where it is over), `worker_busy`
   */
  async next(account: Account, sessionId: string, signal: AbortSignal): Promise<WorkerTask | undefined> {
    const session = this.#require(account, sessionId);
    if (session.isWorking || session.isWaiting) throw new ServiceError("worker_busy");
    session.isWaiting = true;
    const untilMs = this.#parts.nowMs() + WAIT_MS;
    try {
      while (!signal.aborted && this.#parts.nowMs() < untilMs) {
        this.#require(account, sessionId);
        // Asked before a job is taken: a vault that was started anew admitted nobody yet, and jobs would lose tries by that.
        if (session.attested && session.attested.vault !== this.#vault()) this.#sessions.delete(session.id);
        if (session.isOver(this.#parts.nowMs()) || !this.#sessions.has(session.id))
          throw new ServiceError("worker_session_unknown");
        // What it sent last is verified before it gets more.
        const verifying = session.task !== undefined;
        const task = verifying ? undefined : await this.#take(session);
        if (task) return task;
        await sleep(verifying ? VERIFYING_LOOK_MS : LOOK_MS, undefined, { signal }).catch(() => undefined);
      }
      return undefined;
    } finally {
      session.isWaiting = false;
    }
  }

  /**
   * @returns whether the task is over, so that the worker stops
   * @throws ServiceError `scope_missing`, `worker_session_unknown`
   */
  report(account: Account, sessionId: string, taskId: string, report: WorkerReport): boolean {
    const session = this.#find(account, sessionId);
    const { task } = session;
    if (!task || task.id !== taskId || task.remote.hasEnded) return true;
    if (report.kind === "progress") task.remote.progress(report.stage);
    else if (report.kind === "proof") task.remote.deliver(report.parts);
    else task.remote.fail(report.code);
    return task.remote.hasEnded;
  }

  /** @throws ServiceError `scope_missing`, `worker_session_unknown` */
  end(account: Account, sessionId: string): void {
    const session = this.#find(account, sessionId);
    session.task?.remote.fail("worker_stopped");
    this.#sessions.delete(session.id);
  }

  #vault() {
    return this.#parts.sessions.current().vault;
  }

  /** Jobs are the whole installation's. */
  #admissible({ tenantId, accountId }: Account): void {
    if (tenantId !== DEFAULT_TENANT)
      throw new ServiceError("scope_missing", "only the operator's tenant has workers");
    const untilMs = this.#pausedUntilMs.get(accountId) ?? 0;
    const leftMs = untilMs - this.#parts.nowMs();
    if (leftMs <= 0) return void this.#pausedUntilMs.delete(accountId);
    throw new ServiceError("worker_paused", undefined, { retryAfterSeconds: Math.ceil(leftMs / 1000) });
  }

  #find(account: Account, sessionId: string): WorkerSession {
    if (account.tenantId !== DEFAULT_TENANT)
      throw new ServiceError("scope_missing", "only the operator's tenant has workers");
    const session = this.#sessions.get(sessionId);
    if (session?.account.accountId !== account.accountId) throw new ServiceError("worker_session_unknown");
    return session;
  }

  #require(account: Account, sessionId: string): WorkerSession {
    this.#admissible(account);
    return this.#find(account, sessionId);
  }

  #drop(): void {
    const nowMs = this.#parts.nowMs();
    for (const [id, session] of this.#sessions)
      if (session.isOver(nowMs) && !session.task) this.#sessions.delete(id);
  }

  async #admit(evidence: ShownEvidence): Promise<{ attested: Attested; expiresAtMs: number }> {
    const vault = this.#vault();
    const { code, message, result, expiresAtMs } = await vault.admitWorker(evidence);
    if (code !== "ok" || result === null)
      throw new ServiceError("worker_refused", `the worker's evidence is refused: ${code}: ${message}`);
    const documents = [
      documentOf("attestation-result", utf8(result)),
      documentOf("evidence", evidence.quote),
      documentOf("endorsements", utf8(evidence.endorsements)),
    ];
    return { attested: { vault, nonce: evidence.nonce, documents }, expiresAtMs: Number(expiresAtMs) };
  }

  /** Resolves as soon as a job is the worker's; what comes of it goes on in the background. */
  async #take(session: WorkerSession): Promise<WorkerTask | undefined> {
    const choice = session.attested ? {} : { without: [INPUT_GROUPS.private] };
    const offer: Offer = Promise.withResolvers();
    this.#parts.jobs
      .takeOne("prove", choice, (job) => this.#work(session, job, offer))
      .then(() => offer.resolve(undefined), offer.reject);
    return await offer.promise;
  }

  async #work(session: WorkerSession, job: RunningJob, offer: Offer): Promise<void> {
    const system = { prove: (request: ProveRequest) => this.#proveBy(session, job, request, offer) };
    await prove({ ...this.#parts, system }, job);
  }

  async #proveBy(
    session: WorkerSession,
    job: RunningJob,
    request: ProveRequest,
    offer: Offer,
  ): Promise<ProveResult> {
    const payload = await this.#payloadFor(session, job);
    const { circuit } = request.circuit;
    const timeoutMs = request.timeoutMs!;
    const { nowMs } = this.#parts;
    const onStage = (stage: string) => request.onProgress?.(stage as never);
    const remote = new RemoteTask({ timeoutMs, signal: job.signal, nowMs, onStage });
    const id = session.begin(remote);
    offer.resolve({ id, jobId: job.id, circuitId: circuit.circuitId, timeoutMs, payload });
    let well = false;
    try {
      const made = await this.#verified(session, request, await remote.result);
      well = true;
      return made;
    } finally {
      // Neither the operator's doing nor a stop is the worker's failure.
      if (session.end(well || job.signal.aborted)) this.#pause(session);
    }
  }

  /** Sealed to an attested worker; in the clear where what is sealed, which no database can change, says that it is public. */
  async #payloadFor(session: WorkerSession, job: RunningJob): Promise<WorkerTask["payload"]> {
    if (!session.attested) {
      if (!decodePayload(job.payload).publicInput) throw new JobFailure("input_not_public", { retry: true });
      return { clear: job.payload };
    }
    const { nonce, documents } = session.attested;
    try {
      let sealedKey!: Uint8Array;
      const statement = await this.#parts.sessions.current().signWith(async (vault) => {
        const released = await vault.releaseJobKey(nonce, job.id);
        ({ sealedKey } = released);
        return released.statement;
      });
      await appendOwn(this.#parts.appender, "KeyRelease", statement, documents);
      return { sealed: job.sealed, sealedKey };
    } catch (cause) {
      if (!(cause instanceof VaultError)) throw cause;
      // Its vault died since the job was taken.
      this.#sessions.delete(session.id);
      throw new JobFailure("worker_key_refused", { retry: true, cause });
    }
  }

  /** What is wrong with it is the worker's fault, and no verdict on what it was to prove. */
  async #verified(session: WorkerSession, request: ProveRequest, parts: RawProofParts): Promise<ProveResult> {
    const { circuit, settings, verifyingKey, srs } = request.circuit;
    const whole = { settings, verifyingKey, srs, ...parts };
    const { thread } = this.#parts;
    const expected = await thread.commit(circuit, request.inputs, request.sCircuit);
    try {
      checkProof(circuit, whole, { system: circuit.system, verify: () => true });
      const isOfInput = equal(readInstances(circuit, parts.instances).circuitInput, expected);
      if (isOfInput && (await thread.verify(whole))) return { ...whole, stagesMs: {}, peakMemoryBytes: 0 };
    } catch (error) {
      if (!(error instanceof ProofError)) throw error;
      if (error.code === "proof_system_missing") throw error;
    }
    this.#pause(session);
    throw new JobFailure("worker_proof_invalid", { retry: true });
  }

  #pause(session: WorkerSession): void {
    this.#pausedUntilMs.set(session.account.accountId, this.#parts.nowMs() + PAUSE_MS);
    for (const [id, other] of this.#sessions)
      if (other.account.accountId === session.account.accountId) this.#sessions.delete(id);
  }
}
