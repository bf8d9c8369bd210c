/** Jobs as an operator sees them: never a payload, which is ciphertext to everybody but a worker. */
import type { PgBoss } from "pg-boss";
import { guarded } from "../db/error.ts";
import { JobError } from "./error.ts";
import { JOB_KIND_NAMES, type JobKind } from "./kinds.ts";

export const JOBS_SCHEMA = "affidavit_jobs";

/** `failed` jobs ran out of tries or cannot succeed: they wait for a person. */
export const JOB_STATES = ["created", "retry", "active", "completed", "cancelled", "failed"] as const;
export type JobState = (typeof JOB_STATES)[number];

export interface JobView {
  id: string;
  kind: JobKind;
  state: JobState;
  priority: number;
  /** Tries that have failed. */
  retries: number;
  retryLimit: number;
  createdAt: Date;
  /** When it may run next, or did. */
  startAfter: Date;
  startedAt: Date | null;
  endedAt: Date | null;
  /** Why the last try failed; null where none did. */
  code: string | null;
}

export interface JobAdministration {
  /** The newest first, at most a thousand. */
  list(filter: { kind?: JobKind; state?: JobState; limit: number }): Promise<JobView[]>;
  /** Undefined where there is no such job. @param id a UUID */
  find(id: string): Promise<JobView | undefined>;
  /** Gives a failed or cancelled job its tries back. @throws JobError `job_not_found`, `job_not_failed` */
  retry(id: string): Promise<void>;
  /** A job that runs is told to end, within a few seconds where it runs elsewhere. @throws JobError `job_not_found`, `job_ended` */
  cancel(id: string): Promise<void>;
}

const COLUMNS = `id, name, state, priority, retry_count, retry_limit, created_on, start_after, started_on, completed_on,
  CASE WHEN jsonb_typeof(output) = 'object' THEN output->>'code' END AS code`;

interface Row {
  id: string;
  name: JobKind;
  state: JobState;
  priority: number;
  retry_count: number;
  retry_limit: number;
  created_on: Date;
  start_after: Date;
  started_on: Date | null;
  completed_on: Date | null;
  code: string | null;
}

/** @param abort tells a job that runs in this process to end */
export function jobAdministration(boss: PgBoss, abort: (id: string) => void): JobAdministration {
  async function query(condition: string, values: unknown[]): Promise<JobView[]> {
    const text = `SELECT ${COLUMNS} FROM ${JOBS_SCHEMA}.job WHERE name = ANY($1) AND ${condition}`;
    const { rows } = await guarded(boss.getDb().executeSql(text, [JOB_KIND_NAMES, ...values]));
    return (rows as Row[]).map(view);
  }

  async function find(id: string): Promise<JobView | undefined> {
    return (await query("id = $2", [id]))[0];
  }

  async function require(id: string): Promise<JobView> {
    const job = await find(id);
    if (!job) throw new JobError("job_not_found", "there is no such job");
    return job;
  }

  return {
    find,
    list: ({ kind, state, limit }) =>
      query(
        "($2::text IS NULL OR name = $2) AND ($3::text IS NULL OR state::text = $3) ORDER BY created_on DESC LIMIT $4",
        [kind ?? null, state ?? null, Math.min(limit, 1000)],
      ),
    async retry(id) {
      const { kind, state } = await require(id);
      if (state === "failed") await guarded(boss.retry(kind, id));
      else if (state === "cancelled") await guarded(boss.resume(kind, id));
      else throw new JobError("job_not_failed", `the job is ${state}`);
    },
    async cancel(id) {
      const { kind, state } = await require(id);
      if (state === "completed" || state === "cancelled" || state === "failed")
        throw new JobError("job_ended", `the job is ${state}`);
      await guarded(boss.cancel(kind, id));
      abort(id);
    },
  };
}

function view(row: Row): JobView {
  return {
    id: row.id,
    kind: row.name,
    state: row.state,
    priority: row.priority,
    retries: row.retry_count,
    retryLimit: row.retry_limit,
    createdAt: row.created_on,
    startAfter: row.start_after,
    startedAt: row.started_on,
    endedAt: row.completed_on,
    code: row.code,
  };
}
