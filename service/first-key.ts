/**
 * The key that makes all others. On a loopback address with a simulated TEE the start leaves one where this user's command
 * line finds it; elsewhere the operator makes it.
 */
import { randomBytes } from "node:crypto";
import { mkdir, open, readFile, rename } from "node:fs/promises";
import { join } from "node:path";
import { fromHex, sha256, toHex, utf8 } from "../codec/index.ts";
import { ConfigError } from "./config.ts";
import { adoptApiKey, createApiKey, type ApiKeyFinder, type Database } from "./db/index.ts";

const FIRST_SCOPES = ["infer", "admin"];

export const CREDENTIALS_FILE = "credentials.json";

/**
 * A key for `url` that works: the file's, or a new one that is written there (mode 0600).
 * @returns the file's path
 */
export async function provideFirstKey(options: {
  database: Database;
  keys: ApiKeyFinder;
  configDirectory: string;
  url: string;
}): Promise<string> {
  const file = join(options.configDirectory, CREDENTIALS_FILE);
  const known = await readCredentials(file);
  const key = known[options.url];
  if (key !== undefined && (await options.keys.find(sha256(utf8(key))))) return file;
  const made = await createApiKey(options.database, { label: "first key", scopes: FIRST_SCOPES });
  await mkdir(options.configDirectory, { recursive: true, mode: 0o700 });
  await writeWhole(file, JSON.stringify({ ...known, [options.url]: made.key }, null, 2) + "\n");
  return file;
}

/** The key that the operator made; the service learns its SHA-256 alone. @param digest hex */
export async function adoptOperatorKey(database: Database, digest: string): Promise<void> {
  await adoptApiKey(database, fromHex(digest, 32), {
    label: "AFFIDAVIT_ADMIN_KEY_SHA256",
    scopes: FIRST_SCOPES,
  });
}

/** Only a file that is not there counts as empty: writing over one that cannot be read would lose other services' keys. */
async function readCredentials(file: string): Promise<Record<string, string>> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return "{}";
    throw error;
  });
  const value = parseObject(text);
  if (!value)
    throw new ConfigError("setting_invalid", ["AFFIDAVIT_CONFIG_DIR"], `${file} is not a JSON object`);
  return Object.fromEntries(
    Object.entries(value).filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
}

function parseObject(text: string): object | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

/** A reader sees the old file or the new one. */
async function writeWhole(file: string, text: string): Promise<void> {
  const draft = `${file}.${toHex(randomBytes(6))}`;
  const handle = await open(draft, "wx", 0o600);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(draft, file);
}
