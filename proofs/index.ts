/** Circuits, provers and the verification of proofs, for the service and the command line; `client.ts` is what a browser reads. */
export * from "./client.ts";
export * from "./store.ts";
export * from "./system.ts";
