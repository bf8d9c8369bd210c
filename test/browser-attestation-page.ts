/** What a page runs: the verifiers of evidence, as a browser gets them. */
import { verdictLine, type AppraisalCase } from "./appraisal-verdict.ts";

export interface AttestationPage {
  verdicts(cases: AppraisalCase[]): string[];
}

const attestationPage: AttestationPage = { verdicts: (cases) => cases.map(verdictLine) };
Object.assign(globalThis, { attestationPage });
