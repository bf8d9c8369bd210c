/** `#ezkl` in a browser: the engine's build for the web, with its WebAssembly from wherever the page serves it. */
import { ProofError } from "../error.ts";
import type { ProofVerifier } from "../verifier.ts";
import { verifierOf, type Engine } from "./engine.ts";

/** The web build is an ES module whose package does not say so; its default export initialises it. */
type WebEngine = Engine & { default(wasm?: string | URL | BufferSource): Promise<unknown> };

let loading: Promise<ProofVerifier> | undefined;

/**
 * @param wasm where the page serves `@ezkljs/engine/web/ezkl_bg.wasm`, or its bytes; read at the first call. Its compilation
 *   wants `'wasm-unsafe-eval'` in a Content Security Policy.
 * @throws ProofError `proof_system_missing`
 */
export async function loadProofVerifier(wasm?: string | URL | BufferSource): Promise<ProofVerifier> {
  loading ??= load(wasm);
  return await loading;
}

async function load(wasm: string | URL | BufferSource | undefined): Promise<ProofVerifier> {
  try {
    const engine = (await import("@ezkljs/engine/web/ezkl.js")) as unknown as WebEngine;
    await engine.default(wasm);
    return verifierOf(engine);
  } catch (cause) {
    loading = undefined;
    throw new ProofError("proof_system_missing", "the proof verifier's WebAssembly cannot be loaded", {
      cause,
    });
  }
}
