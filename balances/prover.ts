/** Encrypting an amount with a proof, in Node: by the addon where it is built, else by `node-tfhe` in a worker thread. */
import { Worker } from "node:worker_threads";
import { loadAddon, type Addon } from "./addon.ts";
import { BalanceError } from "./error.ts";
import { named } from "./evaluator.ts";
import type { AmountToProve, ProvingStage } from "./prove.ts";

export interface ProveOptions {
  /** The user's cache folder for this program; undefined never looks for the addon. */
  cacheDirectory?: string;
  onStage?: (stage: ProvingStage, by: "addon" | "node-tfhe") => void;
  signal?: AbortSignal;
  timeoutMs?: number;
}

const TIMEOUT_MS = 180_000;

export type ProverMessage =
  | { stage: ProvingStage }
  | { proven: Uint8Array }
  | { code: "amount_invalid" | "key_invalid" | "computation_failed"; message: string };

/** Proves any number of amounts for one service. */
export interface Prover {
  /** @throws BalanceError `amount_invalid`, `computation_failed` */
  prove(amountAtomic: bigint, metadata: Uint8Array): Promise<Uint8Array>;
}

/** Checking the reference string takes seconds: keep what this returns. @throws BalanceError `key_invalid` */
export async function openProver(
  addon: Addon,
  { publicKey, crs }: Pick<AmountToProve, "publicKey" | "crs">,
): Promise<Prover> {
  const native = await named(() => addon.loadProver(publicKey, crs));
  return { prove: (amountAtomic, metadata) => named(() => native.prove(amountAtomic, metadata)) };
}

/**
 * The proven ciphertext list of one amount; 2 seconds by the addon, 16 by WebAssembly.
 * @throws BalanceError `amount_invalid`, `key_invalid`, `computation_failed` (also after `timeoutMs`), `cancelled`
 */
export async function proveAmountInNode(
  amount: AmountToProve,
  options: ProveOptions = {},
): Promise<Uint8Array> {
  const addon = options.cacheDirectory === undefined ? undefined : builtAddon(options.cacheDirectory);
  if (!addon) return proveInWorker(amount, options);
  options.onStage?.("reading keys", "addon");
  const prover = await openProver(addon, amount);
  if (options.signal?.aborted) throw cancelled();
  options.onStage?.("proving", "addon");
  const proven = await prover.prove(amount.amountAtomic, amount.metadata);
  options.onStage?.("done", "addon");
  return proven;
}

function builtAddon(cacheDirectory: string) {
  try {
    return loadAddon(cacheDirectory);
  } catch (error) {
    if (error instanceof BalanceError && error.code === "addon_missing") return undefined;
    throw error;
  }
}

function cancelled(): BalanceError {
  return new BalanceError("cancelled", "the encryption was stopped");
}

/** WebAssembly cannot be interrupted, its thread can. */
async function proveInWorker(
  amount: AmountToProve,
  { onStage, signal, timeoutMs = TIMEOUT_MS }: ProveOptions,
): Promise<Uint8Array> {
  if (signal?.aborted) throw cancelled();
  const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
  const worker = new Worker(new URL(`./prove-worker.${extension}`, import.meta.url), { workerData: amount });
  const { promise, resolve, reject } = Promise.withResolvers<Uint8Array>();
  const late = () => reject(new BalanceError("computation_failed", `no proof within ${timeoutMs} ms`));
  const timer = setTimeout(late, timeoutMs);
  const stop = () => reject(cancelled());
  signal?.addEventListener("abort", stop);
  worker.on("message", (message: ProverMessage) => {
    if ("stage" in message) onStage?.(message.stage, "node-tfhe");
    else if ("proven" in message) resolve(message.proven);
    else reject(new BalanceError(message.code, message.message));
  });
  worker.on("error", (cause) =>
    reject(new BalanceError("computation_failed", "the encrypting thread failed", { cause })),
  );
  worker.on("exit", () => reject(new BalanceError("computation_failed", "the encrypting thread ended")));
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
    await worker.terminate();
  }
}
