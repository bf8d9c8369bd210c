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
export { decodePayload } from "./payload.ts";
export { INPUT_GROUPS } from "./promises.ts";
export { ProofThread } from "./proof-thread.ts";
export { prove, type ProvingParts } from "./prove.ts";
export { startAssurance, type Assurance, type ProverState } from "./start.ts";
