/** Encrypted balances: accounts, entries and their workers. */
export { FHE_KEY_NAMES } from "./keys.ts";
export { findBalances, openLedger } from "./start.ts";
export { allowanceSchema, closingSchema, readingSchema, signedRequest, wishSchema } from "./wish.ts";
