/** Runs an inference again in another engine process and says in the log whether the same came out. */
import { equal } from "../../codec/index.ts";
import type { Engine, LoadedModel } from "../../models/index.ts";
import { OUTCOMES, type Tensor } from "../../receipts/index.ts";
import { advancePromise, closing, findStatement, type Appender, type Database } from "../db/index.ts";
import { JobFailure } from "../jobs/error.ts";
import type { RunningJob } from "../jobs/index.ts";
import { appendOwn } from "../own-statement.ts";
import type { SessionHolder } from "../session.ts";
import { attempt } from "./attempt.ts";
import { outputsDifference } from "./difference.ts";
import { decodePayload, type PromisePayload } from "./payload.ts";

export interface ReexecutionParts {
  database: Database;
  appender: Pick<Appender, "append">;
  sessions: SessionHolder;
  models: { list(): LoadedModel[] };
  /** Other processes than those that answer. */
  engine: Engine;
  timeoutMs: number;
}

interface Verdict {
  state: "delivered" | "disagrees" | "incomparable";
  executionDigest: Uint8Array;
  difference: bigint;
}

/** @throws JobFailure */
export async function reexecute(parts: ReexecutionParts, job: RunningJob): Promise<void> {
  if (!(await advancePromise(parts.database, job.id, "run"))) return;
  await attempt(parts.database, job, () => runAndSay(parts, job));
}

async function runAndSay(parts: ReexecutionParts, job: RunningJob): Promise<void> {
  const verdict = await runAgain(parts, job, decodePayload(job.payload));
  await closing(parts.database, job.id, async ({ subject }) => {
    // Stored after the promise, and so perhaps not yet.
    if (!(await findStatement(parts.database, subject)))
      throw new JobFailure("statement_missing", { retry: true });
    const { state, executionDigest, difference } = verdict;
    const fields = { subject, executionDigest, difference, tolerance: 0n, outcome: OUTCOMES[state] };
    const signed = await parts.sessions.current().signWith((vault) => vault.signReexecution(fields));
    await appendOwn(parts.appender, "Reexecution", signed);
    return { state, outcome: signed.digest };
  });
}

async function runAgain(parts: ReexecutionParts, job: RunningJob, payload: PromisePayload): Promise<Verdict> {
  const model = parts.models.list().find(({ modelId }) => equal(modelId, payload.modelId));
  if (!model) throw new JobFailure("model_not_found", { retry: false });
  const { signal } = job;
  const result = await parts.engine.run(model, payload.inputs, { signal, timeoutMs: parts.timeoutMs });
  return compare(payload, result.outputs, result.executionDigest);
}

/** Bits count where engine, device and settings are the same; where they are not, nothing follows from a difference. */
function compare(first: PromisePayload, outputs: readonly Tensor[], executionDigest: Uint8Array): Verdict {
  const wanted = new Set(first.outputs.map(({ name }) => name));
  const again = outputs.filter(({ name }) => wanted.has(name)).toSorted(byNameAsStored(first.outputs));
  const difference = outputsDifference(first.outputs, again);
  if (!equal(executionDigest, first.executionDigest))
    return { state: "incomparable", executionDigest, difference };
  return { state: difference === 0n ? "delivered" : "disagrees", executionDigest, difference };
}

function byNameAsStored(stored: readonly Tensor[]): (a: Tensor, b: Tensor) => number {
  const place = new Map(stored.map(({ name }, i) => [name, i]));
  return (a, b) => place.get(a.name)! - place.get(b.name)!;
}
