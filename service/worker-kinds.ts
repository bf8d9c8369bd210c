/** `--worker KIND[,KIND]`: a process that works on jobs alone, and answers nobody. */
import { parseArgs } from "node:util";
import { ConfigError, type Config } from "./config.ts";
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
