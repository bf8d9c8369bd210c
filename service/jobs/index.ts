/** Background work: the queue, its kinds, and what an operator sees of it. */
export type { Choice } from "./claim.ts";
export { JobError, type JobErrorCode } from "./error.ts";
export { JOB_STATES, type JobAdministration, type JobState, type JobView } from "./administration.ts";
export { JOB_KIND_NAMES, JOB_KINDS, type JobKind } from "./kinds.ts";
export { vaultSeal, type PayloadSeal } from "./payload-seal.ts";
export { JobQueue, type JobHandler, type RunningJob, type SendOptions } from "./queue.ts";
