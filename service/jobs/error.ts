/** What can go wrong with background work. */
export type JobErrorCode =
  | "jobs_unsupported"
  | "jobs_closed"
  | "job_not_found"
  | "job_not_failed"
  | "job_ended"
  | "job_payload_too_large";

export class JobError extends Error {
  override readonly name = "JobError";
  readonly code: JobErrorCode;
  constructor(code: JobErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * What a handler throws to say why its job did not end well. The code is stored and shown to operators; nothing else of a
 * failure is, since a message may hold what the payload's seal is there to hide.
 */
export class JobFailure extends Error {
  override readonly name = "JobFailure";
  /** Lower-case words joined by underscores. */
  readonly code: string;
  /** Whether another try could end otherwise. */
  readonly retry: boolean;
  constructor(code: string, options: { retry: boolean; cause?: unknown }) {
    super(code, { cause: options.cause });
    this.code = code;
    this.retry = options.retry;
  }
}
