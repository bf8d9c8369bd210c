/** One job taken from the queue by hand, where pg-boss's own workers cannot choose as finely: kept alive, then settled. */
import type { JobWithMetadata, PgBoss } from "pg-boss";
import { guarded } from "../db/error.ts";
import { JOBS_SCHEMA } from "./administration.ts";
import type { JobKind } from "./kinds.ts";

/** Which of the jobs that wait. */
export interface Choice {
  /** Groups whose jobs are left to others. */
  without?: readonly string[];
  /** Takes jobs whose time has not come as well. */
  early?: boolean;
}

export interface Settled {
  status: "completed" | "failed" | "deadletter";
  output?: { code: string };
}

/** @returns undefined where none waits. @throws DatabaseError */
export async function claimOne<T>(
  boss: PgBoss,
  kind: JobKind,
  { without = [], early = false }: Choice,
): Promise<JobWithMetadata<T> | undefined> {
  const [job] = await guarded(
    boss.fetch<T>(kind, { includeMetadata: true, ignoreGroups: [...without], ignoreStartAfter: early }),
  );
  return job;
}

/** Says every so often that the job's worker lives; `lost` aborts once the job is not this worker's any more. */
export function keepAlive(
  boss: PgBoss,
  kind: JobKind,
  job: JobWithMetadata<unknown>,
  { everyMs, onError }: { everyMs: number; onError: (error: unknown) => void },
): { lost: AbortSignal; stop(): void } {
  const controller = new AbortController();
  const expires = setTimeout(() => controller.abort(), job.expireInSeconds * 1000);
  const timer = setInterval(() => {
    // The count is in what it answers, and not in its type.
    const touched = boss.touch(kind, job) as Promise<{ affected?: number }>;
    touched.then(({ affected }) => affected === 0 && controller.abort(), onError);
  }, everyMs);
  return {
    lost: controller.signal,
    stop() {
      clearTimeout(expires);
      clearInterval(timer);
    },
  };
}

/** Ends the try, where the job is still this worker's. @throws DatabaseError */
export async function settle(
  boss: PgBoss,
  kind: JobKind,
  job: JobWithMetadata<unknown>,
  { status, output }: Settled,
): Promise<void> {
  if (status === "completed") return void (await guarded(boss.complete(kind, job)));
  // Without tries left a failure is the last: pg-boss offers that to its own workers alone.
  if (status === "deadletter") {
    const text = `UPDATE ${JOBS_SCHEMA}.job SET retry_limit = retry_count
      WHERE name = $1 AND id = $2 AND retry_count = $3 AND state = 'active'`;
    await guarded(boss.getDb().executeSql(text, [kind, job.id, job.retryCount]));
  }
  await guarded(boss.fail(kind, job, output));
}
