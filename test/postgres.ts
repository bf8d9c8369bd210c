/**
 * A real PostgreSQL for tests: one server for the whole run where the global set-up started it, else one for this process; a
 * database of its own for each caller.
 */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { Client } from "pg";
import { afterAll, inject } from "vitest";
import {
  openDatabase,
  startEmbedded,
  type Connection,
  type Database,
  type EmbeddedServer,
} from "../service/db/index.ts";
import { temporaryDirectory } from "./folder.ts";

declare module "vitest" {
  interface ProvidedContext {
    postgres: Connection;
  }
}

export { temporaryDirectory };

export async function startTestServer(): Promise<EmbeddedServer & { remove(): Promise<void> }> {
  const directory = temporaryDirectory();
  const server = await startEmbedded({
    dataDirectory: join(directory.path, "data"),
    sharedDirectory: join(directory.path, "shared"),
  });
  const remove = async () => {
    await server.stop();
    directory.remove();
  };
  return Object.assign(server, { remove });
}

let own: Promise<Awaited<ReturnType<typeof startTestServer>>> | undefined;

async function administration(): Promise<Connection> {
  const shared = inject("postgres") as Connection | undefined;
  if (shared) return shared;
  own ??= startTestServer();
  return (await own).administration;
}

export interface TestDatabase extends Database {
  /** Closes and drops it. */
  remove(): Promise<void>;
}

/** A fresh database with all tables. */
export async function createTestDatabase(options: { connections?: number } = {}): Promise<TestDatabase> {
  const connection = await administration();
  const name = `test_${randomBytes(6).toString("hex")}`;
  await asAdministrator(connection, `CREATE DATABASE ${name}`);
  const database = await openDatabase({ connection: { ...connection, database: name }, ...options });
  const remove = async () => {
    await database.close();
    await asAdministrator(connection, `DROP DATABASE ${name} WITH (FORCE)`);
  };
  return { ...database, remove };
}

async function asAdministrator(connection: Connection, statement: string): Promise<void> {
  const client = new Client(connection);
  client.on("error", () => {});
  await client.connect();
  await client.query(statement);
  await client.end();
}

afterAll(async () => {
  const server = await own;
  own = undefined;
  await server?.remove();
});
