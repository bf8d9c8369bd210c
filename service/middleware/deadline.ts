/** A time limit on work, and its end when the caller goes away. */
import { ServiceError } from "../problem.ts";
import type { AppContext } from "./env.ts";

/**
 * Runs `work` with a signal that fires when the caller closes the connection or the time is over. The answer does not
 * wait for work that ignores the signal.
 * @throws ServiceError `request_timeout`, `caller_gone`
 */
export async function withDeadline<T>(
  c: AppContext,
  timeoutMs: number,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const controller = new AbortController();
  const { promise: stopped, reject } = Promise.withResolvers<never>();
  const stop = (error: ServiceError): void => {
    controller.abort(error);
    reject(error);
  };
  const caller = c.req.raw.signal;
  const onGone = (): void => stop(new ServiceError("caller_gone"));
  const timer = setTimeout(() => stop(new ServiceError("request_timeout")), timeoutMs);
  caller.addEventListener("abort", onGone, { once: true });
  if (caller.aborted) onGone();
  try {
    return await Promise.race([stopped, work(controller.signal)]);
  } finally {
    clearTimeout(timer);
    caller.removeEventListener("abort", onGone);
  }
}
