import { DrizzleQueryError } from "drizzle-orm/errors";

/** What can go wrong between the service and its database. */
export type DatabaseErrorCode =
  | "database_unavailable"
  | "database_failed"
  | "database_version"
  | "database_unsafe"
  | "database_migration_failed"
  | "database_in_use"
  | "embedded_unsupported"
  | "embedded_user_missing"
  | "embedded_place_lost"
  | "embedded_place_refused"
  | "embedded_start_failed"
  | "append_invalid"
  | "append_queue_full"
  | "append_closed"
  | "append_outcome_unknown"
  | "request_id_taken"
  | "statement_exists"
  | "idempotency_lost"
  | "allowance_fenced"
  | "log_fenced"
  | "log_corrupt"
  | "log_range";

/**
 * A failure of the database or of what the service asks of it. `sqlState` is PostgreSQL's five-character code, where it
 * gave one. Messages hold no row values, parameters or passwords.
 */
export class DatabaseError extends Error {
  override readonly name = "DatabaseError";
  readonly code: DatabaseErrorCode;
  readonly sqlState: string | undefined;
  constructor(code: DatabaseErrorCode, message: string, sqlState?: string) {
    super(message);
    this.code = code;
    this.sqlState = sqlState;
  }
}

/** The ORM wraps the driver's error in one whose message repeats the statement and its parameters. */
function unwrap(error: unknown): unknown {
  return error instanceof DrizzleQueryError ? error.cause : error;
}

/** PostgreSQL's code of a driver error, or undefined where it did not come from the server. */
export function sqlStateOf(error: unknown): string | undefined {
  const code = (unwrap(error) as { code?: unknown } | null)?.code;
  return typeof code === "string" && /^(?=.*[0-9])[0-9A-Z]{5}$/.test(code) ? code : undefined;
}

/** A socket that failed, or the driver's own words for one that closed or fell silent. */
function isConnectionLoss(error: unknown): boolean {
  const { code, message } = (unwrap(error) ?? {}) as { code?: unknown; message?: unknown };
  if (typeof code === "string" && /^E[A-Z]{3,20}$/.test(code)) return true;
  if (typeof message !== "string") return false;
  return /^(Connection terminated|Client (has|was)|Query read timeout|timeout e)/.test(message);
}

/** Classes of SQLSTATE after which a new try can succeed: connection, resources, shutdown and start, deadlock, time-out. */
const TRANSIENT = /^(08|53|57|40)/;

export function isTransient(error: unknown): boolean {
  if (error instanceof DatabaseError) return error.code === "database_unavailable";
  const state = sqlStateOf(error);
  return state === undefined ? isConnectionLoss(error) : TRANSIENT.test(state);
}

/** A driver error as ours. The driver's `detail` names row values and is left behind. */
export function toDatabaseError(error: unknown): DatabaseError {
  if (error instanceof DatabaseError) return error;
  const state = sqlStateOf(error);
  if (isTransient(error))
    return new DatabaseError("database_unavailable", "the database cannot be reached", state);
  if (state === undefined) throw unwrap(error);
  return new DatabaseError("database_failed", `the database refused a statement (SQLSTATE ${state})`, state);
}

/** Awaits a query and throws its failure as ours. */
export async function guarded<Result>(query: PromiseLike<Result>): Promise<Result> {
  try {
    return await query;
  } catch (error) {
    throw toDatabaseError(error);
  }
}
