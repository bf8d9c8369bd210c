/** What a page runs: the verification of proof bundles, as a browser gets it. */
import { loadProofVerifier } from "../client/index.ts";
import { proofVerdictOf, type ProofCase } from "./proof-verdict.ts";

export interface ProofsPage {
  verdicts(cases: ProofCase[]): Promise<string[]>;
}

const proofsPage: ProofsPage = {
  async verdicts(cases) {
    const verifier = await loadProofVerifier("/ezkl_bg.wasm");
    return cases.map((one) => JSON.stringify(proofVerdictOf(one, verifier)));
  },
};
Object.assign(globalThis, { proofsPage });
