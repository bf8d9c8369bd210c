/** Errors as RFC 9457 problem details. Every error of a domain is mapped by its code; anything else is `internal`. */
import { AdminError } from "../administration/index.ts";
import { BalanceError } from "../balances/client.ts";
import { ModelError, OipError } from "../models/client.ts";
import { ProofError } from "../proofs/client.ts";
import { ReceiptError } from "../receipts/index.ts";
import { VaultError } from "../vault/index.ts";
import { DatabaseError } from "./db/error.ts";
import { JobError } from "./jobs/error.ts";
import { PROBLEMS } from "./problem-table.ts";
import type { ProblemStatus } from "./problem-row.ts";
import type { ProblemCode } from "./problem-table.ts";

export { PROBLEMS } from "./problem-table.ts";
export type { ProblemCode } from "./problem-table.ts";

export interface ServiceErrorOptions {
  /** Seconds for the header `Retry-After`. */
  retryAfterSeconds?: number;
  /** The receipt of an answer that is no longer kept. */
  receiptId?: string;
  /** The problem's type where a protocol of others names it. */
  type?: string;
  /** Further response headers. */
  headers?: Record<string, string>;
}

/** What the HTTP side and the pipeline refuse. `detail` is shown to the caller and never logged. */
export class ServiceError extends Error {
  override readonly name = "ServiceError";
  readonly code: ProblemCode;
  readonly options: ServiceErrorOptions;
  constructor(code: ProblemCode, detail?: string, options: ServiceErrorOptions = {}) {
    super(detail ?? PROBLEMS[code][1]);
    this.code = code;
    this.options = options;
  }
}

export const PROBLEM_MEDIA_TYPE = "application/problem+json";

export interface Problem {
  code: ProblemCode;
  status: ProblemStatus;
  headers: Record<string, string>;
  /** JSON text. */
  body: string;
}

/** The code that a caller sees for an error. */
export function problemCode(error: unknown): ProblemCode {
  if (error instanceof BalanceError) return `ledger_${error.code}`;
  if (error instanceof VaultError) return `vault_${error.code}`;
  if (
    error instanceof ServiceError ||
    error instanceof OipError ||
    error instanceof ModelError ||
    error instanceof ReceiptError ||
    error instanceof DatabaseError ||
    error instanceof ProofError ||
    error instanceof JobError ||
    error instanceof AdminError
  ) {
    return error.code;
  }
  return "internal";
}

/** Statuses after which the same request may succeed, so that `Retry-After` has a meaning. */
const RETRYABLE = new Set<ProblemStatus>([429, 503]);

/**
 * @param traceId names the request in the answer as in the log
 * @returns the whole answer; `detail` is left out where the error is not one of ours, since its message may hold anything
 */
export function toProblem(error: unknown, traceId: string): Problem {
  const code = problemCode(error);
  const [status, title] = PROBLEMS[code];
  const detail = code === "internal" || !(error instanceof Error) ? title : error.message;
  const options = error instanceof ServiceError ? error.options : {};
  const headers: Record<string, string> = {
    "content-type": PROBLEM_MEDIA_TYPE,
    "cache-control": "no-store",
    ...options.headers,
  };
  if (RETRYABLE.has(status)) headers["retry-after"] = String(retryAfterSeconds(error, options));
  if (status === 401) headers["www-authenticate"] = 'Bearer realm="affidavit"';
  const body = JSON.stringify({
    type: options.type ?? `/problems/${code}`,
    title,
    status,
    detail,
    code,
    charged: false,
    traceId,
    // Where Open Inference clients look for the message.
    error: detail,
    ...(options.receiptId !== undefined && { receiptId: options.receiptId }),
  });
  return { code, status, headers, body };
}

function retryAfterSeconds(error: unknown, options: ServiceErrorOptions): number {
  if (options.retryAfterSeconds !== undefined) return options.retryAfterSeconds;
  const afterMs = error instanceof ModelError ? error.retryAfterMs : undefined;
  return Math.max(1, Math.ceil((afterMs ?? 1000) / 1000));
}
