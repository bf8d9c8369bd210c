/** Entry of the thread that hashes inputs and verifies proofs: one message in, one out. */
import { parentPort } from "node:worker_threads";
import {
  commitElements,
  loadProofVerifier,
  ProofError,
  type ProofErrorCode,
  type ProofParts,
} from "../../proofs/client.ts";

export type Task = { task: "commit"; elements: Float64Array } | { task: "verify"; parts: ProofParts };
export type TaskReply = { value: Uint8Array | boolean } | { code: ProofErrorCode; message: string };

async function carryOut(given: Task): Promise<TaskReply> {
  try {
    if (given.task === "commit") return { value: commitElements([...given.elements]) };
    return { value: (await loadProofVerifier()).verify(given.parts) };
  } catch (error) {
    if (!(error instanceof ProofError)) throw error;
    return { code: error.code, message: error.message };
  }
}

let turn: Promise<unknown> = Promise.resolve();
parentPort!.on("message", ({ id, ...task }: Task & { id: number }) => {
  turn = turn.then(async () => parentPort!.postMessage({ id, ...(await carryOut(task as Task)) }, []));
});
