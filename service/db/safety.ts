/** What a server must be before anything durable is promised on it. */
import type { ClientBase } from "pg";
import { DatabaseError } from "./error.ts";

export const OLDEST_VERSION = 150_000;

/** @throws DatabaseError `database_version`, `database_unsafe` */
export async function checkServer(client: ClientBase): Promise<void> {
  const { rows } = await client.query(
    "SELECT current_setting('server_version_num')::int AS version, current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit",
  );
  const { version, fsync, commit } = rows[0] as { version: number; fsync: string; commit: string };
  if (version < OLDEST_VERSION) {
    throw new DatabaseError(
      "database_version",
      `PostgreSQL 15 or newer is needed; this is ${Math.floor(version / 10_000)}`,
    );
  }
  if (fsync === "off")
    throw new DatabaseError("database_unsafe", "the server runs with fsync off: a crash would lose receipts");
  if (commit === "off") {
    throw new DatabaseError(
      "database_unsafe",
      "the server runs with synchronous_commit off: a crash would lose receipts",
    );
  }
}
