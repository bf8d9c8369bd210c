/** The database: an embedded server or yours, the durable append to the log, and the queries. */
export * from "./error.ts";
export * from "./connect.ts";
export * from "./embedded/index.ts";
export * from "./append.ts";
export type { AppendItem, Completion, DocumentKind, DocumentRow, StatementRow } from "./append-statement.ts";
export * from "./tree.ts";
export * from "./checkpoints.ts";
export * from "./api-keys.ts";
export * from "./documents.ts";
export * from "./ledger.ts";
export * from "./private-models.ts";
export * from "./promises.ts";
export * from "./chain.ts";
export * from "./receipts.ts";
export * from "./idempotency.ts";
export { DEFAULT_TENANT, SYSTEM_TENANT } from "./schema.ts";
