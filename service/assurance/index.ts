/** What an answer rests on beside the TEE: proofs and re-executions, as a request asks for them and as they are kept. */
export type { Assured } from "./assured.ts";
export { askLateProof, type Opening } from "./late-proof.ts";
export {
  cancelPromise,
  requirePromise,
  viewPromise,
  type PromiseKind,
  type PromiseView,
} from "./promise-views.ts";
export { OfferedCircuits, type OfferedCircuit } from "./offered.ts";
export type { Wish } from "./plan.ts";
export { openKeptProof, proofBundle } from "./proof-bundle.ts";
export { startAssurance, type Assurance, type ProverState } from "./start.ts";
