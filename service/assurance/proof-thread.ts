/**
 * A thread for what would hold every request up: Poseidon takes some 90 µs an element, and a proof's verification up to a
 * second. One task after another, in the order in which they came.
 */
import { Worker } from "node:worker_threads";
import { circuitElements, commitElements, ProofError, type InputForm } from "../../proofs/index.ts";
import type { ProofParts } from "../../proofs/index.ts";
import type { Tensor } from "../../receipts/index.ts";
import type { Task, TaskReply } from "./proof-thread-worker.ts";

/** So many are hashed at once, in some 6 ms: a thread's start and its constants take longer. */
const MAX_INLINE_ELEMENTS = 64;

interface Waiting {
  resolve: (value: Uint8Array | boolean) => void;
  reject: (error: Error) => void;
}

/** Commits to inputs. */
export interface Hasher {
  /**
   * @param sCircuit 16 bytes
   * @returns `circuitInput`: 32 bytes big-endian
   * @throws ProofError `circuit_shape_mismatch`, `circuit_input_out_of_range`
   */
  commit(circuit: InputForm, inputs: readonly Tensor[], sCircuit: Uint8Array): Promise<Uint8Array>;
}

export class ProofThread implements Hasher {
  #worker: Worker | undefined;
  readonly #waiting = new Map<number, Waiting>();
  #lastId = 0;

  async commit(circuit: InputForm, inputs: readonly Tensor[], sCircuit: Uint8Array): Promise<Uint8Array> {
    const elements = circuitElements(circuit, inputs, sCircuit);
    if (elements.length <= MAX_INLINE_ELEMENTS) return commitElements(elements);
    return (await this.#run({ task: "commit", elements: Float64Array.from(elements) })) as Uint8Array;
  }

  /** The cryptography alone, as `ProofVerifier.verify`. @throws ProofError `proof_system_missing`, `prover_crashed` */
  async verify(parts: ProofParts): Promise<boolean> {
    return (await this.#run({ task: "verify", parts })) as boolean;
  }

  async close(): Promise<void> {
    await this.#worker?.terminate();
  }

  #run(task: Task): Promise<Uint8Array | boolean> {
    const id = ++this.#lastId;
    const worker = (this.#worker ??= this.#start());
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      worker.postMessage({ id, ...task }, []);
    });
  }

  #start(): Worker {
    const entry = import.meta.url.endsWith(".ts") ? "./proof-thread-worker.ts" : "./proof-thread-worker.js";
    const worker = new Worker(new URL(entry, import.meta.url), { env: {} });
    worker.unref();
    worker.on("message", ({ id, ...reply }: TaskReply & { id: number }) => {
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if ("value" in reply) waiting?.resolve(reply.value);
      else waiting?.reject(new ProofError(reply.code, reply.message));
    });
    // An exit follows, of which all who wait learn; here it must not end the process.
    worker.on("error", () => undefined);
    worker.once("exit", () => {
      this.#worker = undefined;
      for (const { reject } of this.#waiting.values())
        reject(new ProofError("prover_crashed", "the thread that hashes and verifies ended"));
      this.#waiting.clear();
    });
    return worker;
  }
}
