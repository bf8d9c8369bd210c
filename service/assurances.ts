/** Proofs and re-executions for the HTTP side. */
import { fromHex } from "../codec/index.ts";
import {
  askLateProof,
  cancelPromise,
  OfferedCircuits,
  proofBundle,
  requirePromise,
  viewPromise,
  type Assurance,
} from "./assurance/index.ts";
import type { Config } from "./config.ts";
import type { Appender, Database } from "./db/index.ts";
import { JobError, type JobQueue } from "./jobs/index.ts";
import type { KeysetRecords } from "./keyset-records.ts";
import type { Engine, LoadedModel } from "../models/index.ts";
import { PROBLEMS } from "./problem.ts";
import { RequestParser } from "./request-parser.ts";
import type { Assurances } from "./services.ts";
import type { SessionHolder } from "./session.ts";

interface Parts {
  config: Config;
  database: Database;
  appender: Appender;
  models: { list(): LoadedModel[]; visibleTo(tenantId: string | undefined): LoadedModel[] };
  engine: Engine;
  sessions: SessionHolder;
  jobs: JobQueue | undefined;
  assurance: Assurance;
}

export function assurancesOf(parts: Parts, keysets: KeysetRecords): Assurances {
  const { database, jobs, assurance } = parts;
  const { planning, circuits, hasher } = assurance;
  const { inferenceTimeoutMs } = parts.config;
  const parser = new RequestParser();
  const offered = new OfferedCircuits({
    sessions: parts.sessions,
    models: () => parts.models.visibleTo(undefined),
    circuit: planning.circuit,
  });
  const find: Assurances["find"] = async (account, kind, id) =>
    await viewPromise(database, await requirePromise(database, account, kind, id));
  return {
    find,
    changed: (id, timeoutMs) => database.changes.next(id, timeoutMs),
    circuits: () => offered.list(),
    async cancel(account, kind, id) {
      await cancelPromise(database, jobs, await requirePromise(database, account, kind, id));
      return await find(account, kind, id);
    },
    async prove(account, receiptId, opening) {
      if (!jobs) throw new JobError("jobs_unsupported", PROBLEMS.jobs_unsupported[1]);
      const late = { ...parts, jobs, planning, circuits, keysets, parser, hasher, inferenceTimeoutMs };
      return await viewPromise(database, await askLateProof(late, account, fromHex(receiptId, 32), opening));
    },
    async bundle(account, id) {
      const row = await requirePromise(database, account, "proof", id);
      return await proofBundle({ ...parts, keysets, circuits }, row);
    },
  };
}
