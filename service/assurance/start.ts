/** Starts what keeps promises: circuits, workers, the watch over deadlines. */
import { join } from "node:path";
import type { Logger } from "pino";
import { toHex, utf8 } from "../../codec/index.ts";
import type { Engine, LoadedModel } from "../../models/index.ts";
import {
  CircuitStore,
  createEzklSystem,
  findProofSystem,
  type ProofSystemState,
} from "../../proofs/index.ts";
import type { Config } from "../config.ts";
import { documentOf, putDocuments, type Appender, type Database } from "../db/index.ts";
import { JobError, type JobKind, type JobQueue } from "../jobs/index.ts";
import { policyDocument } from "../policy.ts";
import { PROBLEMS, ServiceError } from "../problem.ts";
import type { SessionHolder } from "../session.ts";
import { createAssured, type Assured } from "./assured.ts";
import { bindCircuits } from "./circuits.ts";
import type { Planning } from "./plan.ts";
import { keysetGroup, watchDeadlines } from "./promises.ts";
import { ProofThread, type Hasher } from "./proof-thread.ts";
import { prove } from "./prove.ts";
import { reexecute } from "./reexecute.ts";

export interface AssuranceParts {
  config: Config;
  database: Database;
  appender: Pick<Appender, "append">;
  sessions: SessionHolder;
  models: { list(): LoadedModel[] };
  /** Undefined where this Node cannot run it: nothing is promised then. */
  jobs: JobQueue | undefined;
  /** What is worked on here; undefined for everything. */
  kinds: readonly JobKind[] | undefined;
  /** Of other processes than the one that answers, in all else the same. */
  openSecondEngine(): Engine;
  log: Logger;
}

export interface Assurance {
  assured: Assured;
  planning: Planning;
  circuits: CircuitStore;
  hasher: Hasher;
  /** Ids of those that answers are promised proofs by: 32 bytes each. */
  circuitsInUse: () => Uint8Array[];
  /** Whether proofs are made here, in words for the operator. */
  prover: ProverState;
}

export interface ProverState {
  status: "ok" | "off";
  notes: string[];
}

type Cleanup = (name: string, undo: () => Promise<unknown>) => void;

/** @throws ProofError a circuit on disk is damaged; DatabaseError, VaultError */
export async function startAssurance(parts: AssuranceParts, cleanup: Cleanup): Promise<Assurance> {
  const { config, database, jobs, log } = parts;
  const { zkAboveMicroUsd } = config;
  const circuits = await CircuitStore.load([
    config.circuitsDirectory ?? join(config.dataDirectory, "circuits"),
  ]);
  const bound = await bindCircuits({ ...parts, zkAboveMicroUsd }, circuits);
  const found = findProofSystem(config.cacheDirectory);
  const tee = policyDocument("tee", null, zkAboveMicroUsd);
  const reexecution = policyDocument("tee+reexecution", null, zkAboveMicroUsd);
  await putDocuments(
    database,
    [tee, reexecution].map(({ text }) => documentOf("policy", utf8(text))),
  );
  const planning: Planning = {
    tee,
    reexecution,
    zkAboveMicroUsd,
    circuit: (modelId) => bound.get(toHex(modelId)),
    requireJobs(assurance) {
      if (!jobs) throw new JobError("jobs_unsupported", PROBLEMS.jobs_unsupported[1]);
      // With no provers of its own it leaves proofs to others, of which it cannot know.
      if (assurance === "tee+zk" && config.provers > 0 && !found.ready)
        throw new ServiceError("prover_unavailable", `${found.problem}: ${found.command}`);
    },
    proofDeadlineMs: config.proofDeadlineMs,
    reexecutionDeadlineMs: config.reexecutionDeadlineMs,
    reexecutionGraceMs: config.reexecutionGraceMs,
  };
  if (jobs) {
    const worksOn = (kind: JobKind) => parts.kinds?.includes(kind) ?? true;
    if (worksOn("reexecute")) startReexecution({ ...parts, jobs }, cleanup);
    if (parts.kinds?.includes("prove") && !found.ready)
      throw new ServiceError("prover_unavailable", `${found.problem}: ${found.command}`);
    if (worksOn("prove") && found.ready && config.provers > 0) {
      const system = createEzklSystem({ python: found.python, workers: config.provers });
      cleanup("provers", () => system.close());
      await jobs.work("prove", config.provers, (job) => prove({ ...parts, circuits, system }, job));
    }
    const watch = watchDeadlines({ ...parts, jobs, circuits }, (error) =>
      log.warn({ err: error }, "a missed deadline was not logged yet"),
    );
    cleanup("deadlines", () => watch.stop());
  }
  const prover = proverState(found, config.provers, bound.size);
  const hasher = new ProofThread();
  cleanup("hashing thread", () => hasher.close());
  const assured = createAssured(planning, hasher, jobs && { database, jobs });
  const circuitsInUse = () => [...bound.values()].map(({ circuit }) => circuit.circuit.circuitId);
  return { assured, planning, circuits, circuitsInUse, hasher, prover };
}

function proverState(found: ProofSystemState, provers: number, circuits: number): ProverState {
  const notes = [`${circuits} models have a circuit in use.`];
  if (provers === 0) return { status: "off", notes: [...notes, "Proofs are left to other services."] };
  if (!found.ready) return { status: "off", notes: [...notes, `${found.problem}: ${found.command}`] };
  return { status: "ok", notes: [...notes, `${provers} proofs at once.`] };
}

/** An engine of its own, whose process starts with the first re-execution. */
function startReexecution(parts: AssuranceParts & { jobs: JobQueue }, cleanup: Cleanup): void {
  let engine: Engine | undefined;
  cleanup("re-executions' engine", async () => await engine?.close());
  const timeoutMs = parts.config.inferenceTimeoutMs;
  // Answers of other keysets first, and at once; those of its own after their grace.
  const choices = () => {
    const own = parts.sessions.peek()?.keyset.digest;
    return own ? [{ without: [keysetGroup(own)], early: true }, {}] : [];
  };
  parts.jobs.workByChoice("reexecute", choices, async (job) => {
    engine ??= parts.openSecondEngine();
    await reexecute({ ...parts, engine, timeoutMs }, job);
  });
}
