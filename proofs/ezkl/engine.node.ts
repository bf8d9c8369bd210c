/** `#ezkl` in Node: the engine's build for Node, an optional dependency. */
import { ProofError } from "../error.ts";
import type { ProofVerifier } from "../verifier.ts";
import { verifierOf, type Engine } from "./engine.ts";

let loading: Promise<ProofVerifier> | undefined;

/**
 * @param _wasm is for browsers; the package brings its own here
 * @throws ProofError `proof_system_missing` where `@ezkljs/engine` is not installed
 */
export async function loadProofVerifier(_wasm?: string | URL | BufferSource): Promise<ProofVerifier> {
  loading ??= load();
  return await loading;
}

async function load(): Promise<ProofVerifier> {
  let engine: Engine;
  try {
    engine = await import("@ezkljs/engine");
  } catch (cause) {
    loading = undefined;
    throw new ProofError(
      "proof_system_missing",
      "proofs are verified by @ezkljs/engine, which is not installed: npm install --no-save @ezkljs/engine@21.0.0",
      { cause },
    );
  }
  return verifierOf(engine);
}
