/** Where services with encrypted balances run in tests: a cache folder with the addon, a database that several share. */
import { existsSync, mkdirSync, symlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { Client } from "pg";
import { addonDirectory } from "../balances/addon.ts";
import { CACHE } from "../balances/testing/addon.ts";
import { startTestServer } from "./postgres.ts";

/** Holds the addon and ends with its folder: each cluster's public keys are 34 MB there. */
export function balancesCache(folder: string): string {
  const cache = join(folder, "cache");
  const built = addonDirectory(CACHE);
  const link = join(cache, "balances", basename(built));
  mkdirSync(join(cache, "balances"), { recursive: true });
  if (!existsSync(link)) symlinkSync(built, link);
  return cache;
}

export interface SharedDatabase {
  /** For `DATABASE_URL`. */
  url: string;
  /** The database's administrator, in it. */
  connect(): Promise<Client>;
  remove(): Promise<void>;
}

export async function startSharedDatabase(): Promise<SharedDatabase> {
  const server = await startTestServer();
  const { user, password, host, port } = server.administration;
  const connect = async (database?: string) => {
    const client = new Client({ ...server.administration, ...(database && { database }) });
    client.on("error", () => {});
    await client.connect();
    return client;
  };
  const first = await connect();
  await first.query("CREATE DATABASE shared");
  await first.end();
  const place = `host=${encodeURIComponent(String(host))}&port=${port}`;
  return {
    url: `postgres://${user}:${encodeURIComponent(String(password))}@localhost/shared?${place}`,
    connect: () => connect("shared"),
    remove: () => server.remove(),
  };
}
