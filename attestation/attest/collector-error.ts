/** Why an interface to a TEE or GPU cannot be used. */

export type CollectorErrorCode =
  /** It is not on this machine. */
  | "interface_absent"
  /** It is there, but not for this user. */
  | "permission_denied"
  /** It answered that it is busy, again and again. */
  | "interface_busy"
  /** It failed in its own way. */
  | "interface_failed"
  | "interface_timed_out"
  /** What it gave is not evidence, is cut short, or is not over the report data asked for. */
  | "reply_malformed"
  /** Somebody else wrote to the same report again and again. */
  | "report_conflict"
  /** The TEE is there, but nothing on this machine turns its report into a quote. */
  | "quote_path_missing"
  /** Evidence of a kind that no verifier here reads. */
  | "evidence_unsupported"
  | "library_missing";

export class CollectorError extends Error {
  override readonly name = "CollectorError";
  readonly code: CollectorErrorCode;
  /** Such as `configfs-tsm`. */
  readonly interfaceName: string;
  constructor(interfaceName: string, code: CollectorErrorCode, message: string, options?: ErrorOptions) {
    super(`${interfaceName}: ${message}`, options);
    this.code = code;
    this.interfaceName = interfaceName;
  }
}

/** Absent: no such file, no such device, no driver behind it. */
const ABSENT = new Set(["ENOENT", "ENODEV", "ENXIO", "ENOTDIR"]);
const DENIED = new Set(["EACCES", "EPERM", "EROFS"]);
const BUSY = new Set(["EBUSY", "EAGAIN", "EINTR", "EWOULDBLOCK"]);

export function errnoOf(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}

export function isBusy(error: unknown): boolean {
  return error instanceof CollectorError ? error.code === "interface_busy" : BUSY.has(errnoOf(error) ?? "");
}

/** A failed system call in the collectors' words. */
export function collectorError(interfaceName: string, step: string, error: unknown): CollectorError {
  if (error instanceof CollectorError) return error;
  const errno = errnoOf(error) ?? "unknown error";
  const message = `${step}: ${errno}`;
  const code = ABSENT.has(errno)
    ? "interface_absent"
    : DENIED.has(errno)
      ? "permission_denied"
      : BUSY.has(errno)
        ? "interface_busy"
        : "interface_failed";
  return new CollectorError(interfaceName, code, message, { cause: error });
}
