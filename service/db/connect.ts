/** Opens a database: checks the server, brings the tables up to date, and hands out a pool. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { drizzle, type NodePgDatabase } from "drizzle-orm/node-postgres";
import { migrate } from "drizzle-orm/node-postgres/migrator";
import { type Client, type ClientBase, type ClientConfig, Pool } from "pg";
import { CompactRange, EMPTY_ROOT } from "../../receipts/index.ts";
import { Changes } from "./changes.ts";
import { DatabaseError, isTransient, toDatabaseError } from "./error.ts";
import { checkServer } from "./safety.ts";
import { DEFAULT_TENANT, GATEWAY_TENANT, SYSTEM_TENANT } from "./columns.ts";
import { directoryHead, logHead, tenants } from "./schema.ts";

/** One number for all replicas of this project: whoever holds it migrates. */
const MIGRATION_LOCK = 0x0aff_1da7;

/** Nameless callers' limits until an administrator sets others. */
const GATEWAY_LIMITS = { requestsPerMinute: 6000, concurrency: 128 };

export interface Database {
  readonly pool: Pool;
  readonly orm: NodePgDatabase;
  /** For connections besides the pool's: the appender's, the queue's. */
  readonly connection: ClientConfig;
  /** Of promises, by their ids. */
  readonly changes: Changes;
  close(): Promise<void>;
}

export interface OpenOptions {
  connection: ClientConfig;
  connections?: number;
  connectTimeoutMs?: number;
  /** Longest time that one statement may run. */
  statementTimeoutMs?: number;
  /** A connection in the pool broke while idle. */
  onLost?: (error: DatabaseError) => void;
}

/** Migrations lie at the top of the project: two folders up from this file, in a clone and in a package alike. */
function migrationsFolder(): string {
  const folder = join(import.meta.dirname, "..", "..", "drizzle");
  if (existsSync(join(folder, "meta", "_journal.json"))) return folder;
  throw new DatabaseError("database_migration_failed", "the migrations are missing from this installation");
}

async function bringUpToDate(client: ClientBase): Promise<void> {
  await client.query("SELECT pg_advisory_lock($1)", [MIGRATION_LOCK]);
  try {
    const orm = drizzle(client as Client);
    await migrate(orm, { migrationsFolder: migrationsFolder() });
    await orm
      .insert(tenants)
      .values([
        { tenantId: SYSTEM_TENANT, name: "system" },
        { tenantId: DEFAULT_TENANT, name: "default", everyModel: true },
        { tenantId: GATEWAY_TENANT, name: "ohttp-gateway", ...GATEWAY_LIMITS },
      ])
      .onConflictDoNothing();
    await orm.insert(directoryHead).values({ id: 1, version: 0n }).onConflictDoNothing();
    const range = CompactRange.empty().encode();
    await orm
      .insert(logHead)
      .values({ id: 1, size: 0n, root: EMPTY_ROOT, epoch: 0n, range })
      .onConflictDoNothing();
  } finally {
    await client.query("SELECT pg_advisory_unlock($1)", [MIGRATION_LOCK]);
  }
}

async function prepare(pool: Pool): Promise<void> {
  const client = await pool.connect();
  let failed: Error | undefined;
  try {
    await checkServer(client);
    // Migrations may take longer than a request ever may.
    await client.query("SET statement_timeout = 0");
    await bringUpToDate(client);
  } catch (error) {
    failed = error as Error;
    if (error instanceof DatabaseError || isTransient(error)) throw toDatabaseError(error);
    // The ORM wraps the server's error; its message would repeat the statement.
    throw new DatabaseError("database_migration_failed", "the tables could not be brought up to date");
  } finally {
    client.release(failed ?? true);
  }
}

/**
 * @throws DatabaseError `database_unavailable`, `database_version`, `database_unsafe`, `database_migration_failed`
 */
export async function openDatabase(options: OpenOptions): Promise<Database> {
  const { connection } = options;
  const pool = new Pool({
    ...connection,
    application_name: "affidavit",
    max: options.connections ?? 10,
    connectionTimeoutMillis: options.connectTimeoutMs ?? 5000,
    statement_timeout: options.statementTimeoutMs ?? 30_000,
    query_timeout: (options.statementTimeoutMs ?? 30_000) + 1000,
    keepAlive: true,
  });
  pool.on("error", (error) => options.onLost?.(toDatabaseError(error)));
  try {
    await prepare(pool);
  } catch (error) {
    await pool.end();
    throw toDatabaseError(error);
  }
  return { pool, orm: drizzle(pool), connection, changes: new Changes(), close: () => pool.end() };
}

/** Whether the database answers now. */
export async function isReachable(database: Database): Promise<boolean> {
  try {
    await database.pool.query("SELECT 1");
    return true;
  } catch {
    return false;
  }
}
