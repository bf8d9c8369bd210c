/** The addon's evaluator behind a queue: one operation at a time uses all its threads, and one of Node's. */
import { createHash } from "node:crypto";
import { setImmediate } from "node:timers/promises";
import type { Addon, NativeEvaluator } from "./addon.ts";
import { BalanceError, fromNative } from "./error.ts";
import type { Homomorphic } from "./evaluate.ts";
import { ledgerExecution, type LedgerExecution } from "./execution.ts";

/** What everyone may have of the FHE keys, serialised by tfhe. */
export interface FhePublicKeys {
  /** About 30 MB; its SHA-256 is the ledger's `serverKeyDigest`. */
  evaluationKey: Uint8Array;
  /** Encrypts; 33 KB. */
  publicKey: Uint8Array;
  /** The reference string of proofs of encryption; 3.4 MB. Who made the keys can prove what is not so. */
  crs: Uint8Array;
}

export interface Evaluator extends Homomorphic {
  readonly execution: LedgerExecution;
  /** SHA-256 of the evaluation key. */
  readonly serverKeyDigest: Uint8Array;
  /** Operations that run or wait. */
  readonly pending: number;
}

/** Threads where nobody chose: the number decides the bytes of results, so that it does not follow the machine. */
export const DEFAULT_THREADS = 2;
/** Operations that may wait; each takes seconds. */
const MAX_PENDING = 64;

export interface EvaluatorOptions {
  /** 1 to 64: the number is part of the execution digest. */
  threads?: number;
  /** How far its threads stand back for the process's others, who answer requests: 0 to 19, on Linux alone. */
  niceness?: number;
  maxPending?: number;
}

/**
 * Loads the keys (seconds, 120 MB) and makes a pool of threads for them.
 * @throws BalanceError `key_invalid`, `threads_invalid`, `computation_failed`
 */
export async function openEvaluator(
  addon: Addon,
  keys: FhePublicKeys,
  { threads = DEFAULT_THREADS, niceness = 10, maxPending = MAX_PENDING }: EvaluatorOptions = {},
): Promise<Evaluator> {
  const { evaluationKey, publicKey, crs } = keys;
  const serverKeyDigest = await digestGently(evaluationKey);
  const native = await named(() => addon.loadEvaluator(evaluationKey, publicKey, crs, threads, niceness));
  return new QueuedEvaluator(native, ledgerExecution(addon, threads), serverKeyDigest, maxPending);
}

class QueuedEvaluator implements Evaluator {
  readonly execution: LedgerExecution;
  readonly serverKeyDigest: Uint8Array;
  readonly #native: NativeEvaluator;
  readonly #maxPending: number;
  #last: Promise<unknown> = Promise.resolve();
  #pending = 0;

  constructor(
    native: NativeEvaluator,
    execution: LedgerExecution,
    serverKeyDigest: Uint8Array,
    maxPending: number,
  ) {
    this.#native = native;
    this.execution = execution;
    this.serverKeyDigest = serverKeyDigest;
    this.#maxPending = maxPending;
  }

  get pending(): number {
    return this.#pending;
  }

  verifyAndExpand(proven: Uint8Array, metadata: Uint8Array) {
    return this.#run(() => this.#native.verifyAndExpand(proven, metadata));
  }

  credit(balance: Uint8Array, amount: Uint8Array) {
    return this.#run(() => this.#native.credit(balance, amount));
  }

  creditClear(balance: Uint8Array, amountAtomic: bigint) {
    return this.#run(() => this.#native.creditClear(balance, amountAtomic));
  }

  debit(balance: Uint8Array, amount: Uint8Array) {
    return this.#run(() => this.#native.debit(balance, amount));
  }

  debitClear(balance: Uint8Array, amountAtomic: bigint) {
    return this.#run(() => this.#native.debitClear(balance, amountAtomic));
  }

  /** Each operation waits for the one before it, whatever became of that. */
  async #run<T>(operation: () => Promise<T>): Promise<T> {
    if (this.#pending >= this.#maxPending)
      throw new BalanceError("busy", "too many operations on balances wait");
    this.#pending++;
    const before = this.#last;
    const done = before.then(() => named(operation)).finally(() => this.#pending--);
    this.#last = done.catch(() => {});
    return done;
  }
}

/** What the addon throws, as `BalanceError`. */
export async function named<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw fromNative(error);
  }
}

const CHUNK_BYTES = 1 << 20;

/** SHA-256 of what would block the event loop for a tenth of a second if it were hashed at once. */
export async function digestGently(bytes: Uint8Array): Promise<Uint8Array> {
  const hash = createHash("sha256");
  for (let offset = 0; offset < bytes.length; offset += CHUNK_BYTES) {
    hash.update(bytes.subarray(offset, offset + CHUNK_BYTES));
    await setImmediate();
  }
  return new Uint8Array(hash.digest());
}
