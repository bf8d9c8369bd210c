/** The operator's appraisal policy for workers elsewhere, read at the start: the vault appraises by its exact text. */
import { readFile } from "node:fs/promises";
import { AttestationError, parsePolicy } from "../attestation/index.ts";
import { ConfigError, type Config } from "./config.ts";

/** It goes to the vault as an argument. */
const MAX_BYTES = 64 * 1024;

/**
 * @returns JSON text; undefined where no worker elsewhere is to see sealed inputs
 * @throws ConfigError `setting_invalid`
 */
export async function readWorkerPolicy({ workerPolicy }: Config): Promise<string | undefined> {
  if (workerPolicy === undefined) return undefined;
  try {
    const bytes = await readFile(workerPolicy);
    if (bytes.length > MAX_BYTES) throw invalid("is longer than 64 KiB");
    const text = bytes.toString("utf8");
    parsePolicy(JSON.parse(text));
    return text;
  } catch (cause) {
    if (cause instanceof ConfigError) throw cause;
    throw invalid(cause instanceof AttestationError ? cause.message : "cannot be read, or is no JSON");
  }
}

function invalid(why: string): ConfigError {
  return new ConfigError(
    "setting_invalid",
    ["AFFIDAVIT_WORKER_POLICY"],
    `AFFIDAVIT_WORKER_POLICY: the file ${why}`,
  );
}
