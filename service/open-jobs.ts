/** The queue of background jobs on the service's database. */
import type { Logger } from "pino";
import type { Database } from "./db/index.ts";
import { JobError, JobQueue, vaultSeal } from "./jobs/index.ts";
import type { SessionHolder } from "./session.ts";

/** Undefined where this Node is too old for it: the service then serves what needs no background work. */
export async function openJobs(
  database: Database,
  sessions: SessionHolder,
  log: Logger,
): Promise<JobQueue | undefined> {
  try {
    return await JobQueue.open({
      connection: database.connection,
      seal: vaultSeal(() => sessions.current().vault),
      onError: (error) => log.warn({ err: error }, "the job queue failed at something"),
      onFailure: (kind, jobId, error) => log.error({ err: error, kind, jobId }, "a job failed"),
    });
  } catch (error) {
    if (!(error instanceof JobError)) throw error;
    log.warn({ code: error.code }, error.message);
    return undefined;
  }
}
