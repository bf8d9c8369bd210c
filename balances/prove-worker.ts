/** The thread in which `node-tfhe` encrypts: it loads the module, proves once and ends. */
import { createRequire } from "node:module";
import { parentPort, workerData } from "node:worker_threads";
import { BalanceError } from "./error.ts";
import { proveAmount, type AmountToProve, type TfheModule } from "./prove.ts";
import type { ProverMessage } from "./prover.ts";

const CODES = ["amount_invalid", "key_invalid", "computation_failed"] as const;

function say(message: ProverMessage): void {
  parentPort!.postMessage(message, []);
}

/** An optional package: by name, so that nothing else needs it. */
function loadTfhe(): TfheModule {
  try {
    return createRequire(import.meta.url)("node-tfhe") as TfheModule;
  } catch (cause) {
    throw new BalanceError("computation_failed", "the package node-tfhe is not installed", { cause });
  }
}

try {
  say({ proven: proveAmount(loadTfhe(), workerData as AmountToProve, (stage) => say({ stage })) });
} catch (error) {
  const known = error instanceof BalanceError ? error : undefined;
  const code = CODES.find((name) => name === known?.code) ?? "computation_failed";
  say({ code, message: known?.message ?? "the amount could not be encrypted" });
}
