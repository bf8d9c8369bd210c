/** Log witnesses as the settings name them, and where their cosignatures are kept. */
import type { Logger } from "pino";
import { parseCheckpoint } from "../receipts/index.ts";
import type { Config } from "./config.ts";
import { addCosignatures, type Database, type LogTree } from "./db/index.ts";
import { Witnessing } from "./witnessing.ts";

/** Adds signature lines to the stored checkpoint that `note` is of. */
export async function storeCosignatures(database: Database, note: string, lines: string[]): Promise<void> {
  if (lines.length === 0) return;
  const { size, note: parsed } = parseCheckpoint(note);
  await addCosignatures(database, size, parsed.text, lines);
}

/** Undefined where no witness is configured. */
export function createWitnessing(
  config: Config,
  { database, tree, log }: { database: Database; tree: LogTree; log: Logger },
): Witnessing | undefined {
  if (!config.witnesses) return undefined;
  return new Witnessing({
    witnesses: config.witnesses,
    origin: config.logOrigin,
    timeoutMs: config.witnessTimeoutMs,
    consistencyProof: (first, second) => tree.consistencyProof(first, second),
    onLate: (note, lines) => storeCosignatures(database, note, lines),
    onEvent(event) {
      if (event.kind === "fork") log.error({ event }, "a log witness knows another log of this origin");
      else log[event.kind === "cosigned" ? "info" : "warn"]({ event }, "log witness");
    },
  });
}
