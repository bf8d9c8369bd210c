/** Runs an inference again in another engine process and says in the log whether the same came out. */
import { equal } from "../../codec/index.ts";
import { compareOutputs, toleranceNanos, type Engine, type LoadedModel } from "../../models/index.ts";
import { canonicalTensors, OUTCOMES, type Tensor } from "../../receipts/index.ts";
import { advancePromise, closing, findStatement, type Appender, type Database } from "../db/index.ts";
import { JobFailure } from "../jobs/error.ts";
import type { RunningJob } from "../jobs/index.ts";
import { appendOwn } from "../own-statement.ts";
import type { SessionHolder } from "../session.ts";
import { attempt } from "./attempt.ts";
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
  tolerance: bigint;
}

/** @throws JobFailure */
export async function reexecute(parts: ReexecutionParts, job: RunningJob): Promise<void> {
  if (!(await advancePromise(parts.database, job.id, "run"))) return;
  await attempt(parts.database, job, () => runAndSay(parts, job));
}

async function runAndSay(parts: ReexecutionParts, job: RunningJob): Promise<void> {
  const payload = decodePayload(job.payload);
  const { subject } = payload;
  const verdict = await runAgain(parts, job, payload);
  await closing(parts.database, job.id, async () => {
    // Stored after the promise, and so perhaps not yet.
    if (!(await findStatement(parts.database, subject)))
      throw new JobFailure("statement_missing", { retry: true });
    const { state, ...compared } = verdict;
    const fields = { subject, ...compared, outcome: OUTCOMES[state] };
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
  return compare(model, payload, result.outputs, result.executionDigest);
}

/**
 * Bits count where engine, device and settings are the same. Where they are not nothing follows from a difference, so it stands
 * beside the tolerance that the model's manifest has for that.
 */
function compare(
  { manifest }: LoadedModel,
  first: PromisePayload,
  outputs: readonly Tensor[],
  executionDigest: Uint8Array,
): Verdict {
  const wanted = new Set(first.outputs.map(({ name }) => name));
  const again = outputs.filter(({ name }) => wanted.has(name)).toSorted(byNameAsStored(first.outputs));
  const { largestNanos: difference } = compareOutputs(first.outputs, again);
  if (!equal(executionDigest, first.executionDigest)) {
    const tolerance = manifest.tolerance ? toleranceNanos(manifest.tolerance) : 0n;
    return { state: "incomparable", executionDigest, difference, tolerance };
  }
  const same = equal(canonicalTensors(first.outputs), canonicalTensors(again));
  return { state: same ? "delivered" : "disagrees", executionDigest, difference, tolerance: 0n };
}

function byNameAsStored(stored: readonly Tensor[]): (a: Tensor, b: Tensor) => number {
  const place = new Map(stored.map(({ name }, i) => [name, i]));
  return (a, b) => place.get(a.name)! - place.get(b.name)!;
}
