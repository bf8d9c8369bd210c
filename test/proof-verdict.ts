/** One proof bundle's verdict from its JSON texts, the same in Node and in a browser. */
import { verifyProof, type ClientPolicy, type ProofVerifier, type Verification } from "../client/index.ts";
import { parseProofBundle, ProofError } from "../proofs/client.ts";
import { parsePrivatePart } from "../receipts/index.ts";

/** Plain JSON, so that it travels into a page. */
export interface ProofCase {
  name: string;
  bundle: string;
  privatePart?: string;
  policy: ClientPolicy;
  nowMs: number;
  /** What the verdict must be. */
  code: string;
}

type Verdict = Pick<Verification, "verdict" | "code" | "claims" | "steps">;

export function proofVerdictOf(one: ProofCase, verifier: ProofVerifier): Verdict {
  const { bundle, privatePart, policy, nowMs } = one;
  try {
    return verifyProof(parseProofBundle(bundle), {
      now: new Date(nowMs),
      policy,
      privatePart: privatePart === undefined ? undefined : parsePrivatePart(privatePart),
      verifier,
    });
  } catch (error) {
    // Parsing refuses with a typed error; any other is a fault that must fail the test.
    if (!(error instanceof ProofError) || error.code === "prover_crashed") throw error;
    return { verdict: "rejected", code: error.code, claims: [], steps: [] };
  }
}
