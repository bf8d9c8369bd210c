/** The execution record of the ledger: what a re-execution must have in common to get the same bytes. */
import { jcs, sha256, utf8 } from "../codec/index.ts";
import type { Addon } from "./addon.ts";

/** As `balances/native/Cargo.toml` pins it. */
const TFHE_VERSION = "1.7.0";

export interface LedgerExecution {
  /** Canonical JSON. */
  executionText: string;
  /** Its SHA-256. */
  executionDigest: Uint8Array;
}

export function ledgerExecution(addon: Pick<Addon, "describe">, threads: number): LedgerExecution {
  const { parameters, operationsVersion, instructionSets } = addon.describe();
  const executionText = jcs({
    formatVersion: 1,
    engine: "tfhe-rs",
    version: TFHE_VERSION,
    operationsVersion,
    parameters,
    fft: "dif4",
    architecture: process.arch,
    instructionSets,
    threads,
  });
  return { executionText, executionDigest: sha256(utf8(executionText)) };
}
