/** API keys by server, in the user's config folder: `npm start` writes the first one there (mode 0600). */
import { readFile } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";

export const DEFAULT_URL = "http://localhost:8080";

export function credentialsFile(environment: NodeJS.ProcessEnv): string {
  const base = environment["XDG_CONFIG_HOME"] || join(homedir(), ".config");
  return join(base, "affidavit", "credentials.json");
}

/** The key to use with a server: from the flag, the environment, or the file; undefined where there is none. */
export async function apiKeyFor(url: string, flag: string | undefined): Promise<string | undefined> {
  if (flag !== undefined) return flag;
  const fromEnvironment = process.env["AFFIDAVIT_API_KEY"];
  if (fromEnvironment) return fromEnvironment;
  try {
    const known: unknown = JSON.parse(await readFile(credentialsFile(process.env), "utf8"));
    if (typeof known !== "object" || known === null) return undefined;
    const { origin, port } = new URL(url);
    const key = Object.entries(known).find(
      ([server]) => server === origin || server === loopbackOrigin(url, port),
    )?.[1];
    return typeof key === "string" ? key : undefined;
  } catch {
    return undefined;
  }
}

/** `127.0.0.1`, `[::1]` and `localhost` name one server. */
function loopbackOrigin(url: string, port: string): string | undefined {
  const { hostname, protocol } = new URL(url);
  if (!["localhost", "127.0.0.1", "[::1]"].includes(hostname)) return undefined;
  return `${protocol}//localhost${port ? `:${port}` : ""}`;
}
