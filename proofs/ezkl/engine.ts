/** EZKL's WebAssembly verifier behind our interface. Browser-safe. */
import { toHex, utf8 } from "../../codec/index.ts";
import { ProofError } from "../error.ts";
import type { ProofParts, ProofVerifier } from "../verifier.ts";

/** What is used of `@ezkljs/engine`, either build. */
export interface Engine {
  verify(
    proof: Uint8ClampedArray,
    vk: Uint8ClampedArray,
    settings: Uint8ClampedArray,
    srs: Uint8ClampedArray,
  ): boolean;
}

function clamped(bytes: Uint8Array): Uint8ClampedArray {
  return new Uint8ClampedArray(bytes);
}

function proofFile({ proof, instances }: ProofParts): Uint8Array {
  const file = {
    instances: [instances.map(toHex)],
    proof: [...proof],
    transcript_type: "EVM",
  };
  return utf8(JSON.stringify(file));
}

export function verifierOf(engine: Engine): ProofVerifier {
  return {
    system: "ezkl/21.0.0",
    verify(parts) {
      try {
        return engine.verify(
          clamped(proofFile(parts)),
          clamped(parts.verifyingKey),
          clamped(utf8(parts.settings)),
          clamped(parts.srs),
        );
      } catch (error) {
        // A refusal is an error with its words; a trap leaves the instance in an unknown state, and is no verdict.
        if (error instanceof WebAssembly.RuntimeError)
          throw new ProofError("prover_crashed", "the verifier broke down over this proof", { cause: error });
        return false;
      }
    },
  };
}
