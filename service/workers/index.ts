/** Workers elsewhere, which prove what their evidence, or a public input, lets them see. */
export { WorkerSessions, type Introduction, type ShownEvidence, type WorkerTask } from "./worker-sessions.ts";
export { openWorkers } from "./open.ts";
export { WORKER_FAILURES, type WorkerReport } from "./report.ts";
