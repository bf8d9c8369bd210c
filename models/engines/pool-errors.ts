/** What the pool itself says no with. */
import { ModelError } from "../errors.ts";

const MIN_RETRY_MS = 100;
const MAX_RETRY_MS = 30_000;

/** @param waitMs expected work of what waits, by the hosts that share it */
export function overloadedError(reason: string, waitMs: number): ModelError {
  const retryAfterMs = Math.min(MAX_RETRY_MS, Math.max(MIN_RETRY_MS, Math.ceil(waitMs)));
  return new ModelError("engine_overloaded", reason, { retryAfterMs });
}

export function closedError(): ModelError {
  return new ModelError("cancelled", "the engine is closed");
}

export function unreadableError(cause: unknown): ModelError {
  return new ModelError("output_invalid", "the engine's answer is not readable", { cause });
}
