/** Proofs that EZKL made once (`proofs/vectors/make.ts`), for tests that have no prover. */
import { readFileSync } from "node:fs";
import { fromBase64, fromHex } from "../../codec/index.ts";
import { readCircuit, type Circuit } from "../circuit.ts";
import type { ProofParts } from "../verifier.ts";

/** The request's salt under which they were made: 32 bytes. */
export const VECTOR_SALT: Uint8Array = new Uint8Array(32).fill(0x5a);

export interface Recorded {
  circuit: Circuit;
  parts: ProofParts & { instances: Uint8Array[] };
}

export function recorded(name: "breast-cancer" | "linear"): Recorded {
  const text = readFileSync(new URL(`../vectors/${name}.proof.json`, import.meta.url), "utf8");
  const vector = JSON.parse(text) as Record<"settings" | "verifyingKey" | "srs" | "proof", string> & {
    circuit: unknown;
    instances: string[];
  };
  return {
    circuit: readCircuit(vector.circuit),
    parts: {
      settings: vector.settings,
      verifyingKey: fromBase64(vector.verifyingKey),
      srs: fromBase64(vector.srs),
      proof: fromBase64(vector.proof),
      instances: vector.instances.map((hex) => fromHex(hex)),
    },
  };
}
