/** The kinds of background work, and how often and how patiently each is tried. */

export interface JobPlan {
  /** What an operator reads. */
  summary: string;
  /** Tries after the first. */
  retries: number;
  /** Before the first retry; doubles with each, up to `longestRetryDelayMs`. */
  retryDelayMs: number;
  longestRetryDelayMs: number;
  /** Longest run of one try: after it the try counts as failed and the handler's signal aborts. */
  timeoutMs: number;
}

const MINUTE_MS = 60_000;

export const JOB_KINDS = {
  prove: {
    summary: "makes a ZK proof of an inference",
    retries: 3,
    retryDelayMs: 1000,
    longestRetryDelayMs: MINUTE_MS,
    timeoutMs: 60 * MINUTE_MS,
  },
  reexecute: {
    summary: "runs an inference again and compares",
    retries: 5,
    retryDelayMs: 1000,
    longestRetryDelayMs: MINUTE_MS,
    timeoutMs: 10 * MINUTE_MS,
  },
  settle: {
    summary: "settles a payment, or makes an entry of encrypted balances",
    retries: 12,
    retryDelayMs: 1000,
    longestRetryDelayMs: 10 * MINUTE_MS,
    timeoutMs: 10 * MINUTE_MS,
  },
  anchor: {
    summary: "anchors a checkpoint on a chain",
    retries: 12,
    retryDelayMs: 2000,
    longestRetryDelayMs: 10 * MINUTE_MS,
    timeoutMs: 10 * MINUTE_MS,
  },
  chain: {
    summary: "answers a request from a chain",
    retries: 12,
    retryDelayMs: 2000,
    longestRetryDelayMs: 10 * MINUTE_MS,
    timeoutMs: 10 * MINUTE_MS,
  },
} as const satisfies Record<string, JobPlan>;

export type JobKind = keyof typeof JOB_KINDS;

export const JOB_KIND_NAMES = Object.keys(JOB_KINDS) as JobKind[];
