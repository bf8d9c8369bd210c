/** Puts the side of workers elsewhere together. */
import { ProofThread, type Assurance } from "../assurance/index.ts";
import { WorkerSessions, type WorkersParts } from "./worker-sessions.ts";

type Parts = Pick<WorkersParts, "database" | "appender" | "sessions" | "jobs"> & { assurance: Assurance };

export function openWorkers(
  { assurance, ...parts }: Parts,
  cleanup: (name: string, undo: () => Promise<unknown>) => void,
): WorkerSessions {
  // Of its own: a verification takes up to a second, for which commitments to inputs do not wait.
  const thread = new ProofThread();
  cleanup("verifying thread", () => thread.close());
  const { circuits, circuitsInUse } = assurance;
  return new WorkerSessions({ ...parts, circuits, circuitsInUse, thread, nowMs: Date.now });
}
