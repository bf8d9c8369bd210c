/** `--worker KIND[,KIND]`: a process that works on jobs alone, and answers nobody. */
import { parseArgs } from "node:util";
import { ReceiptError, verifyCheckpoint } from "../receipts/index.ts";
import type { Vault } from "../vault/index.ts";
import { ConfigError, type Config } from "./config.ts";
import { latestCheckpoint, type Database } from "./db/index.ts";
import type { JobKind } from "./jobs/index.ts";

/** Kinds for which there is work to do without answering callers. */
const WORKER_KINDS = ["prove", "reexecute", "settle"] as const satisfies readonly JobKind[];
type WorkerKind = (typeof WORKER_KINDS)[number];

/**
 * @returns undefined for a whole service
 * @throws ConfigError `setting_invalid`
 */
export function workerKinds(words: string[], config: Config): readonly WorkerKind[] | undefined {
  const { values } = parseArgs({ args: words, options: { worker: { type: "string" } } });
  if (values.worker === undefined) return undefined;
  const kinds = values.worker.split(",");
  if (!kinds.every(isKind))
    throw new ConfigError("setting_invalid", ["--worker"], `a worker's kinds are ${WORKER_KINDS.join(", ")}`);
  if (config.databaseUrl === undefined)
    throw new ConfigError(
      "setting_invalid",
      ["DATABASE_URL"],
      "a worker takes its jobs from the database of a service: set DATABASE_URL to it",
    );
  return kinds;
}

function isKind(kind: string): kind is WorkerKind {
  return (WORKER_KINDS as readonly string[]).includes(kind);
}

/**
 * A worker opens what the service's vault sealed, and signs in its log: its vault must hold the same cluster's keys. Another
 * would start a log of its own over the service's statements.
 * @throws ConfigError `setting_invalid`
 */
export async function requireClusterKeys(
  database: Database,
  config: Config,
  { info: { logPublicKey } }: Pick<Vault, "info">,
): Promise<void> {
  const newest = await latestCheckpoint(database);
  try {
    if (newest)
      return void verifyCheckpoint(newest.note, { name: config.logOrigin, publicKey: logPublicKey });
  } catch (error) {
    if (!(error instanceof ReceiptError)) throw error;
  }
  throw new ConfigError(
    "setting_invalid",
    ["AFFIDAVIT_VAULT_DIR"],
    "the vault does not hold the cluster's keys: give it a copy of the service's vault folder",
  );
}
