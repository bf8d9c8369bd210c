/** Encrypted balances: accounts, the ledger's rules, and the addon that computes on ciphertexts. Node. */
export * from "./client.ts";
export { addonDirectory, loadAddon, SETUP_COMMAND } from "./addon.ts";
export type { Addon } from "./addon.ts";
export { DEFAULT_THREADS, digestGently, openEvaluator } from "./evaluator.ts";
export type { Evaluator, FhePublicKeys } from "./evaluator.ts";
export { ledgerExecution } from "./execution.ts";
export type { LedgerExecution } from "./execution.ts";
export * from "./keys.ts";
export * from "./prover.ts";
