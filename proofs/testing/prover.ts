/** The prover of tests, where it is installed. */
import {
  cacheDirectory,
  createEzklSystem,
  findProofSystem,
  type EzklOptions,
  type EzklSystem,
} from "../index.ts";

export const proverCache: string = cacheDirectory(process.env);
const state = findProofSystem(proverCache);

/** Parts that must be there: where proofs are among them, a test fails instead of being skipped. */
const REQUIRED = (process.env["AFFIDAVIT_REQUIRE"] ?? "").split(",").includes("proofs");

export const hasProver: boolean = state.ready || REQUIRED;
/** For the name of what is skipped without one. */
export const WITHOUT_PROVER: string = state.ready ? "" : ` (skipped: ${state.problem}: ${state.command})`;

export function openProver(options: Partial<EzklOptions> = {}): EzklSystem {
  if (!state.ready) throw new Error(state.problem);
  return createEzklSystem({ python: state.python, workers: 1, timeoutMs: 120_000, ...options });
}
