/** Circuits, provers and the verification of proofs, for the service and the command line; `client.ts` is what a browser reads. */
export * from "./client.ts";
export * from "./store.ts";
export * from "./system.ts";
export { cacheDirectory, findProofSystem, setUpProofSystem } from "./ezkl/environment.ts";
export type { ProofSystemState, SetUpOptions } from "./ezkl/environment.ts";
export { createEzklSystem } from "./ezkl/system.ts";
export type { EzklOptions, EzklSystem } from "./ezkl/system.ts";
export { buildCircuit } from "./build.ts";
export type { BuildRequest, BuiltCircuit } from "./build.ts";
export type { Sample } from "./search.ts";
export { makeVerifier } from "./on-chain.ts";
export type { VerifierCode } from "./on-chain.ts";
export { checkCircuit } from "./check.ts";
