/** What a browser needs of proofs: circuits, bindings, commitments, bundles and their verification. No `node:` below here. */
export * from "./error.ts";
export { FIELD_MODULUS, fromBigEndian, toBigEndian } from "./field.ts";
export * from "./circuit.ts";
export * from "./commit.ts";
export * from "./binding.ts";
export * from "./instances.ts";
export { difference, MAX_DIFFERENCE, quantise } from "./quantise.ts";
export { poseidon } from "./poseidon.ts";
export * from "./srs.ts";
export * from "./verifier.ts";
export * from "./bundle.ts";
export { loadProofVerifier } from "#ezkl";
